//! The syntax of keepalived.conf, without what its keywords mean (keepalived.conf(5)): a keyword with
//! its arguments in each line, and statements in braces behind some of them.

use std::collections::BTreeMap;

use super::report::Report;

/// Braces within braces; those of a URL of a checker are the fourth.
const DEEPEST: usize = 16;
/// Replacements in a line; one that stands for itself has no end.
const REPLACEMENTS: usize = 256;
/// So many bytes definitions may put into all lines together.
const REPLACED: usize = 1 << 24;

/// A keyword with its arguments, and what its braces hold.
pub(super) struct Statement {
    pub(super) line: usize,
    pub(super) keyword: String,
    pub(super) arguments: Vec<String>,
    pub(super) block: Vec<Statement>,
}

impl Statement {
    fn new(line: usize, keyword: String) -> Self {
        Self { line, keyword, arguments: Vec::new(), block: Vec::new() }
    }
}

/// Reads a text as the machine of that name does. What is wrong with it is in the report.
pub(super) fn parse(text: &str, machine: &str, report: &mut Report) -> Vec<Statement> {
    let mut lines =
        Lines { machine, definitions: BTreeMap::new(), room: REPLACED, in_definition: false };
    let mut tree = Tree::default();
    for (number, line) in (1..).zip(text.lines()) {
        let tokens = lines.read(line, number, report).and_then(|line| tokens(&line));
        if let Err(message) = tokens.and_then(|tokens| tree.take(tokens, number)) {
            report.error(number, message);
            if tree.open.len() > DEEPEST {
                return Vec::new();
            }
        }
    }
    for statement in &tree.open {
        let message = format!("the brace of {} is never closed", statement.keyword);
        report.error(statement.line, message);
    }
    tree.statements
}

/// What a line is for a machine, with its definitions replaced.
struct Lines<'a> {
    /// What `@` compares with.
    machine: &'a str,
    definitions: BTreeMap<String, String>,
    /// So many bytes definitions may still put into lines.
    room: usize,
    /// Whether this line goes on with the definition of the line before.
    in_definition: bool,
}

impl Lines<'_> {
    fn read(&mut self, line: &str, number: usize, report: &mut Report) -> Result<String, String> {
        let line = without_comment(line).trim();
        if self.in_definition {
            self.in_definition = line.is_empty() || line.ends_with('\\');
            return Ok(String::new());
        }
        let mut line = match definition(line) {
            Some(_) => line.to_owned(),
            None => self.replace(line)?,
        };
        if let Some(condition) = line.strip_prefix('@') {
            let (name, rest) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
            let (name, wanted) = match name.strip_prefix('^') {
                Some(name) => (name, false),
                None => (name, true),
            };
            if (name == self.machine) != wanted {
                let name = condition.split_whitespace().next().unwrap_or_default();
                let message = format!("@{name}: not for {:?}, this machine", self.machine);
                report.leave_out_line(number, message);
                return Ok(String::new());
            }
            line = rest.trim_start().to_owned();
        }
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some((name, value)) = definition(&line) {
            self.in_definition = value.ends_with('\\');
            if self.in_definition {
                let message = format!("${name}: a definition of several lines is not expanded");
                report.leave_out_line(number, message);
            } else {
                self.definitions.insert(name.to_owned(), value.to_owned());
            }
            return Ok(String::new());
        }
        if first.starts_with("include") {
            report.leave_out_line(number, format!("{first}: no other file is read; import it too"));
            return Ok(String::new());
        }
        if first.starts_with("~SEQ") || first.starts_with("~LST") {
            report.leave_out_line(number, format!("{}: is not expanded", &first[..4]));
            return Ok(String::new());
        }
        Ok(line)
    }

    /// The line with what is defined in the place of `$NAME` and `${NAME}`, also in what was defined.
    fn replace(&mut self, line: &str) -> Result<String, String> {
        let mut line = line.to_owned();
        let mut from = 0;
        let mut replacements = 0;
        while let Some(at) = line[from..].find('$').map(|at| from + at) {
            let (name, end) = reference(&line, at);
            let Some(value) = self.definitions.get(name) else {
                from = at + 1;
                continue;
            };
            replacements += 1;
            if replacements > REPLACEMENTS || value.len() > self.room {
                return Err(format!("${name} stands for itself, or for too much"));
            }
            self.room -= value.len();
            line.replace_range(at..end, value);
            from = at;
        }
        Ok(line)
    }
}

/// The name of `$NAME` or `${NAME}` at a place in a line, and where that ends. The former ends with the
/// word.
fn reference(line: &str, at: usize) -> (&str, usize) {
    let behind = &line[at + 1..];
    if let Some(name) = behind.strip_prefix('{').and_then(|it| it.split('}').next()) {
        return (name, (at + name.len() + 3).min(line.len()));
    }
    let name = behind.split(char::is_whitespace).next().unwrap_or_default();
    (name, at + 1 + name.len())
}

/// Name and value of a definition, if this is one.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    let is_name = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    let begins = name.starts_with(|it: char| !it.is_ascii_digit());
    (is_name && begins).then(|| (name, value.trim()))
}

enum Token {
    Word(String),
    Open,
    Close,
}

/// The line up to its comment, which may begin anywhere but between quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut is_escaped = false;
    let end = line.find(|letter| {
        match (quote, letter) {
            (None, '#' | '!') => return true,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter && !is_escaped => quote = None,
            (_, _) => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        false
    });
    &line[..end.unwrap_or(line.len())]
}

/// The words and braces of a line, without quotes.
fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            '"' | '\'' => quoted(letter, &mut letters, word.get_or_insert_default())?,
            // Where it is within a word, as in a regular expression, it is a letter.
            '{' if word.is_none() || letters.peek().is_none_or(|it| it.is_whitespace()) => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::Open);
            }
            '}' if word.is_none() => tokens.push(Token::Close),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    tokens.extend(word.map(Token::Word));
    Ok(tokens)
}

/// What stands up to the closing quote, where a backslash makes a letter of a quote.
fn quoted(
    quote: char,
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
) -> Result<(), String> {
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter == quote => return Ok(()),
            '\\' => word.push(letters.next_if(|it| "\"'\\".contains(*it)).unwrap_or('\\')),
            _ => word.push(letter),
        }
    }
    Err(format!("the quote ({quote}) is never closed"))
}

/// The statements that were read.
#[derive(Default)]
struct Tree {
    statements: Vec<Statement>,
    /// Those whose braces are open, the innermost last.
    open: Vec<Statement>,
    /// Whether an opening brace would be that of the last statement.
    may_open: bool,
}

impl Tree {
    fn take(&mut self, tokens: Vec<Token>, line: usize) -> Result<(), String> {
        let mut words = Vec::new();
        for token in tokens {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    self.push(&mut words, line);
                    let last = if self.may_open { self.block().pop() } else { None };
                    let is_missing = last.is_none();
                    self.open.push(last.unwrap_or_else(|| Statement::new(line, "{".to_owned())));
                    self.may_open = false;
                    if is_missing {
                        return Err("there is no keyword before this brace".to_owned());
                    }
                    if self.open.len() > DEEPEST {
                        return Err(format!("more than {DEEPEST} braces within one another"));
                    }
                }
                Token::Close => {
                    self.push(&mut words, line);
                    let statement = self.open.pop().ok_or("this brace closes none")?;
                    self.block().push(statement);
                    self.may_open = false;
                }
            }
        }
        self.push(&mut words, line);
        Ok(())
    }

    fn block(&mut self) -> &mut Vec<Statement> {
        self.open.last_mut().map_or(&mut self.statements, |it| &mut it.block)
    }

    /// Takes in the words so far as a statement, if there are any.
    fn push(&mut self, words: &mut Vec<String>, line: usize) {
        let mut arguments = std::mem::take(words).into_iter();
        let Some(keyword) = arguments.next() else { return };
        let arguments = arguments.collect();
        self.block().push(Statement { arguments, ..Statement::new(line, keyword) });
        self.may_open = true;
    }
}

//! The control API as an OpenAPI document (version 3.1), made of the [`routes`](super::routes).

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    api::ApiError,
    routes::{Route, routes},
};

/// The document.
#[must_use]
pub fn openapi() -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .with(|it| it.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operation = operation(&route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "lvsd's control API",
            "version": "1",
            "description": "HTTP on the Unix socket /run/lvs/lvsd.sock. Who is in the group lvs may \
                read; root and members of the group lvs-admin may change. An example: \
                curl --unix-socket /run/lvs/lvsd.sock http://lvsd/v1/services",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas.take_definitions(true) },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let content = |kind: &str, schema: Value| json!({ kind: { "schema": schema } });
    let (answer, is_endless) = route.answer;
    let kind = if is_endless { "application/x-ndjson" } else { "application/json" };
    let error = schemas.subschema_for::<ApiError>().to_value();
    let mut operation = json!({
        "summary": route.summary,
        "responses": {
            "200": { "description": "Done", "content": content(kind, answer(schemas).to_value()) },
            "default": {
                "description": "Not done, and why",
                "content": content("application/json", error),
            },
        },
    });
    if let Some(body) = route.body {
        let content = content("application/json", body(schemas).to_value());
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if let Some(query) = route.query {
        // As an object whose fields are the parameters ("form", the usual style of a query).
        operation["parameters"] = json!([{
            "name": "query",
            "in": "query",
            "schema": query(schemas).to_value(),
        }]);
    }
    operation
}

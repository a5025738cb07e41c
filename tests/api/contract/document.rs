//! The OpenAPI document: its operations with references to parameters resolved.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

/// The document, as the server writes it; `routes.rs` checks that this is what it serves.
pub static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::of(saem::internal::http::openapi_document()));

pub struct Contract {
    pub document: Value,
    pub operations: Vec<Operation>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

pub struct Operation {
    pub id: String,
    pub path: String,
    pub method: Method,
    /// Roles that may call it; empty for everybody.
    pub roles: Vec<String>,
    pub parameters: Vec<Parameter>,
    /// The schema of its JSON body.
    pub body: Option<Value>,
    pub example: Value,
    pub body_required: bool,
    pub responses: Value,
}

pub struct Parameter {
    pub name: String,
    pub place: String,
    pub required: bool,
    pub schema: Value,
}

impl Contract {
    fn of(document: Value) -> Self {
        let mut contract = Self { document, operations: Vec::new(), validators: Mutex::new(HashMap::new()) };
        let paths = contract.document["paths"].as_object().expect("the document has paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("a path has methods");
            item.iter().map(|(method, operation)| contract.operation(path, method, operation))
        });
        contract.operations = operations.collect();
        contract
    }

    fn operation(&self, path: &str, method: &str, operation: &Value) -> Operation {
        let roles = operation["security"][0]["bearer"].as_array().into_iter().flatten();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let media = &operation["requestBody"]["content"]["application/json"];
        Operation {
            id: operation["operationId"].as_str().expect("an operation has an id").to_owned(),
            path: path.to_owned(),
            method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            roles: roles.map(|role| role.as_str().unwrap().to_owned()).collect(),
            parameters: parameters.map(|parameter| self.parameter(parameter)).collect(),
            body: media.get("schema").cloned(),
            example: media["example"].clone(),
            body_required: operation["requestBody"]["required"] == true,
            responses: operation["responses"].clone(),
        }
    }

    fn parameter(&self, parameter: &Value) -> Parameter {
        let parameter = self.resolved(parameter);
        let mut schema = self.resolved(&parameter["schema"]).clone();
        if let Some(example) = parameter.get("example") {
            schema["example"] = example.clone();
        }
        Parameter {
            name: parameter["name"].as_str().unwrap().to_owned(),
            place: parameter["in"].as_str().unwrap().to_owned(),
            required: parameter["required"] == true,
            schema,
        }
    }

    /// Follows a reference; returns other values unchanged.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(pointer) => {
                self.resolved(self.document.pointer(&pointer[1..]).expect("the reference resolves"))
            }
            None => value,
        }
    }

    pub fn operation_named(&self, id: &str) -> &Operation {
        self.operations.iter().find(|operation| operation.id == id).expect("the document has it")
    }

    /// Returns the violations of `schema` by `value`.
    pub fn violations(&self, schema: &Value, value: &Value) -> Vec<String> {
        let key = schema.to_string();
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || {
            let whole = json!({"allOf": [schema], "components": self.document["components"]});
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            Arc::new(options.build(&whole).expect("the document's schemas are schemas"))
        };
        let validator = Arc::clone(validators.entry(key).or_insert_with(compile));
        drop(validators);
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

impl Operation {
    /// Schema of the JSON body of this status.
    pub fn answer(&self, status: u16) -> Option<&Value> {
        self.responses[status.to_string()]["content"]["application/json"].get("schema")
    }

    /// True if the answer is a paged list.
    pub fn is_list(&self) -> bool {
        let schema = self.answer(200).and_then(|schema| schema["$ref"].as_str());
        schema.is_some_and(|name| name.starts_with("#/components/schemas/List_"))
    }

    pub fn takes(&self, role: &str) -> bool {
        self.roles.iter().any(|of| of == role)
    }

    /// Parameters in the path, the query or the headers.
    pub fn parameters_in(&self, place: &str) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.place == place)
    }
}

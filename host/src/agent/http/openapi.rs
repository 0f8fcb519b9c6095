//! The description of this interface, in the words of `OpenAPI`.

use super::answer::Body;

/// The description.
pub(super) fn body() -> Body {
    Body::text("application/json", DESCRIPTION)
}

const DESCRIPTION: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::route::ROUTES, *};

    #[test]
    fn the_description_has_every_path_with_its_parameters_and_no_other() {
        let description: serde_json::Value = serde_json::from_str(DESCRIPTION).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let named = parameters.iter().map(|parameter| {
                    let name = parameter["$ref"].as_str().map_or(&parameter["name"], |reference| {
                        &description["components"]["parameters"][reference.rsplit('/').next().unwrap()]["name"]
                    });
                    name.as_str().unwrap().to_owned()
                });
                described.insert((method.to_uppercase(), path.clone(), named.collect::<BTreeSet<_>>()));
            }
        }
        let there = ROUTES.iter().map(|route| {
            let app = route.path.contains("{app}").then_some("app");
            let parameters = route.parameters.iter().copied().chain(app).map(ToOwned::to_owned).collect();
            (route.method.to_string(), route.path.to_owned(), parameters)
        });
        assert_eq!(described, there.collect());
    }
}

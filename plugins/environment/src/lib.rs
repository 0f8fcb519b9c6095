//! The source `environment`: a token in a variable that the agent was started with.
//!
//! Grants: `env`, with the variable that the setting `variable` names.

mod variable;

use flytoken_source::{Host, Lease, Refusal, Request, Source};

struct Environment;

impl Source for Environment {
    #[expect(clippy::disallowed_methods, reason = "in a component these are the variables that the operator granted")]
    fn resolve(_request: &Request) -> Result<Lease, Refusal> {
        variable::resolve(&Host, |name| std::env::var(name).ok())
    }
}

flytoken_source::export_source!(Environment);

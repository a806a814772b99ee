//! Authorizes calls. Before any method runs, the role in the caller's certificate is compared with the one that the
//! `.proto` file requires. A method without a required role cannot be called.

use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use landfast_certs::{Identity, Role};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::listen::Peer;
use crate::wire;

/// Layer that puts the guard before a service.
#[derive(Clone, Copy)]
pub(crate) struct Guard;

/// A service with the guard before it.
#[derive(Clone)]
pub(crate) struct Guarded<S>(S);

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded(inner)
    }
}

impl<S, B> Service<http::Request<B>> for Guarded<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, Self::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let identity = request.extensions().get::<Peer>().map(|peer| &peer.0);
        match admit(request.uri().path(), identity) {
            Ok(()) => Either::Left(self.0.call(request)),
            Err(status) => {
                tracing::warn!(method = request.uri().path(), reason = status.message(), "call refused");
                Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}

/// Checks that `identity` may call the method at `path`.
fn admit(path: &str, identity: Option<&Identity>) -> Result<(), Status> {
    let identity = identity.ok_or_else(|| Status::unauthenticated("the connection has no identity"))?;
    let denied = |needs: &str| {
        let holds = identity.role().map_or_else(|| "no role".to_owned(), |role| format!("the role {role}"));
        Status::permission_denied(format!("{identity} has {holds}, and {path} needs {needs}"))
    };
    let needed = wire::least_role(path)
        .and_then(needed)
        .ok_or_else(|| denied("a role that does not exist, because there is no such method"))?;
    match (needed, identity) {
        (Needed::Agent, Identity::Agent { .. }) => Ok(()),
        (Needed::Agent, _) => Err(denied("an agent's identity")),
        (Needed::Role(needed), _) if identity.role().is_some_and(|held| held >= needed) => Ok(()),
        (Needed::Role(needed), _) => Err(denied(&needed.to_string())),
    }
}

/// Who may call a method.
#[derive(Clone, Copy)]
enum Needed {
    /// Operators and coordinators with at least this role.
    Role(Role),
    /// Agents, and nobody else.
    Agent,
}

fn needed(role: wire::Role) -> Option<Needed> {
    match role {
        wire::Role::Unspecified => None,
        wire::Role::Viewer => Some(Needed::Role(Role::Viewer)),
        wire::Role::Deployer => Some(Needed::Role(Role::Deployer)),
        wire::Role::Admin => Some(Needed::Role(Role::Admin)),
        wire::Role::Peer => Some(Needed::Agent),
    }
}

/// Checks that the caller of a request holds at least this role, for data that a method returns only to some callers.
pub(crate) fn holds<T>(request: &tonic::Request<T>, role: Role) -> Result<(), Status> {
    let Some(Peer(identity)) = request.extensions().get() else {
        return Err(Status::unauthenticated("the connection has no identity"));
    };
    if identity.role().is_some_and(|held| held >= role) {
        return Ok(());
    }
    Err(Status::permission_denied(format!("{identity} needs the role {role} to read the host state")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfast_proto::v1::METHODS;
    use tonic::Code;

    fn operator(role: Role) -> Identity {
        Identity::operator("home", "anna", role).expect("a good name")
    }

    #[test]
    fn t06_every_method_is_open_to_its_role_and_above_and_closed_below() {
        for path in METHODS {
            let needed = wire::least_role(path).and_then(needed).expect("each has one");
            for held in [Role::Viewer, Role::Deployer, Role::Admin] {
                let admitted = admit(path, Some(&operator(held)));
                let is_allowed = matches!(needed, Needed::Role(needed) if held >= needed);
                assert_eq!(admitted.is_ok(), is_allowed, "{path} for {held}");
            }
        }
    }

    #[test]
    fn t06_agents_may_call_only_what_they_ask_each_other_and_strangers_nothing_and_coordinators_deploy() {
        let agent = Identity::agent("home", "alpha").expect("a good name");
        let coordinator = Identity::coordinator("home", "main").expect("a good name");
        for path in METHODS {
            let admitted = admit(path, Some(&agent)).map_err(|status| status.code());
            let is_of_peers = path.starts_with("/landfast.v1.Peer/");
            assert_eq!(admitted, if is_of_peers { Ok(()) } else { Err(Code::PermissionDenied) }, "{path}");
            assert_eq!(admit(path, None).map_err(|status| status.code()), Err(Code::Unauthenticated));
            assert!(!is_of_peers || admit(path, Some(&coordinator)).is_err(), "{path}");
        }
        assert!(admit("/landfast.v1.Agent/Assign", Some(&coordinator)).is_ok());
    }

    #[test]
    fn t06_a_method_that_is_in_no_table_is_closed_to_all() {
        let refused = admit("/landfast.v1.Agent/Exec", Some(&operator(Role::Admin))).expect_err("closed");
        assert_eq!(refused.code(), Code::PermissionDenied);
    }

    #[test]
    fn t06_a_refusal_names_the_caller_his_role_and_the_one_needed() {
        let refused = admit("/landfast.v1.Agent/Assign", Some(&operator(Role::Viewer))).expect_err("too little");
        for part in ["landfast://home/operator/anna", "viewer", "deployer"] {
            assert!(refused.message().contains(part), "{}", refused.message());
        }
    }
}

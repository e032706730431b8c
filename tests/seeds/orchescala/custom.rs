//! Orchescala's extension points: a gateway with its own `validateToken` and `extractCorrelation`, as a library and through gRPC.

use super::{GATEWAY, SECRET};
use crate::decisions::answer::Answer;
use crate::support::{Encoding, NOW, Sidecar, check};
use modgud::config::Environment;
use modgud::server::app::Shutdown;
use modgud_core::authn::{
    AsyncCustomAuthenticator, CorrelationValues, CustomAuthenticators, CustomClaims, CustomDenial, CustomError,
    CustomInput,
};
use modgud_core::http::request::Request;
use modgud_core::jose::Claims;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{IdentityCorrelation, SigningSecret};
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::{Idp, Reply};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;

const CONFIG: &str = "
profile: orchescala
server: { deadline: 10s }
authenticators: [{ name: ours, from: [{ header: authorization, schemes: [Bearer] }], custom: external }]
correlation: { key: { value: test-secret-key } }
";

/// Asks another service about each token, and sets all values of the identity itself.
struct External(SocketAddr);

impl AsyncCustomAuthenticator for External {
    fn input(&self) -> CustomInput {
        CustomInput::Credential
    }

    async fn authenticate(
        &self,
        credential: &str,
        _: Option<&Request<'_>>,
        _: Timestamp,
    ) -> Result<CustomClaims, CustomDenial> {
        let answer = Exchange::get(self.0, &format!("/validate/{credential}")).await;
        let answer = answer.map_err(|_| CustomError::Unavailable)?;
        match answer.json().as_object() {
            Some(claims) => Ok(CustomClaims::new(claims.clone())),
            None => Err(CustomError::rejected_with("Invalid token").into()),
        }
    }

    fn correlation(&self, _: &Claims, _: &Request<'_>, _: CorrelationValues) -> Result<CorrelationValues, CustomError> {
        Ok(CorrelationValues {
            username: "custom-user".to_owned(),
            email: Some("user@example.com".to_owned()),
            impersonated: None,
            issued_at: Timestamp::from_secs(NOW - 5),
            process_instance: Some("customerId".to_owned()),
        })
    }
}

/// A sidecar with this authenticator. The service knows one token, `valid-1`.
struct Custom {
    sidecar: Sidecar,
    service: Idp,
}

impl Custom {
    async fn start() -> Self {
        let service = Idp::start().await;
        service.reply("/validate/valid-1", Reply::Body(br#"{"sub":"8f1c"}"#.to_vec()));
        service.reply("/validate/closed", Reply::Close);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modgud.yaml");
        fs::write(&file, CONFIG).unwrap();
        let authenticators = CustomAuthenticators::default().with_async("external", External(service.address));
        let environment = Environment::fixed([]).with_authenticators(authenticators);
        Self { sidecar: Sidecar::in_environment(Some(file), folder, environment, None).await, service }
    }

    async fn ask(&self, token: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let check = check(Encoding::Raw, "POST", "/start", &[("authorization", authorization.as_bytes())]);
        Answer::read(self.sidecar.client().await.check(check).await.unwrap().into_inner()).unwrap()
    }

    async fn stop(self) {
        self.sidecar.stop(Shutdown::Immediate).await;
    }
}

#[test]
fn a_custom_validation_may_call_another_service() {
    GATEWAY.test_without(async || {
        let custom = Custom::start().await;
        for (token, status) in [("valid-1", None), ("valid-2", Some(401)), ("closed", Some(503))] {
            assert_eq!(custom.ask(token).await.status(), status, "{token}");
            assert_eq!(custom.service.count(&format!("/validate/{token}")), 1, "{token}");
        }
        custom.stop().await;
    });
}

#[test]
fn a_custom_validation_has_its_own_text() {
    GATEWAY.test_without(async || {
        let custom = Custom::start().await;
        let Answer::Deny { status, body, .. } = custom.ask("another").await else { panic!("it is allowed") };
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body), (401, json!({ "errorCode": 401, "errorMsg": "Invalid token" })));
        custom.stop().await;
    });
}

#[test]
fn a_custom_extraction_sets_the_identity() {
    GATEWAY.test_without(async || {
        let custom = Custom::start().await;
        let Answer::Allow { set, .. } = custom.ask("valid-1").await else { panic!("it is denied") };
        let header = &set["x-identity-correlation"];
        let mut values: Value = serde_json::from_str(header).unwrap();
        assert!(values.as_object_mut().unwrap().remove("signature").is_some());
        let issued = (NOW - 5) * 1_000;
        let expected = json!({ "username": "custom-user", "email": "user@example.com", "issuedAt": issued, "processInstanceId": "customerId" });
        assert_eq!(values, expected);
        let correlation = IdentityCorrelation::from_json(header.as_bytes()).unwrap();
        assert_eq!(correlation.verify(&SigningSecret::new(SECRET)), Ok(()));
        custom.stop().await;
    });
}

//! An authority of the tests' own, and certificates that it issues.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use std::fs;
use std::path::Path;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The name in every server's certificate.
pub(crate) const SERVER: &str = "modgud.test";

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, purpose: ExtendedKeyUsagePurpose, last_year: i32) -> Pair {
        self.issue_to(CertificateParams::new([SERVER.to_owned()]).unwrap(), purpose, last_year)
    }

    fn issue_to(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose, last_year: i32) -> Pair {
        params.extended_key_usages = vec![purpose];
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// For a server.
    pub(crate) fn server(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, 4095)
    }

    /// For a server, and over already.
    pub(crate) fn expired(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, 1999)
    }

    /// For a client.
    pub(crate) fn client(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, 4095)
    }

    /// For a client of this name only: a URI.
    pub(crate) fn client_of(&self, uri: &str) -> Pair {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        self.issue_to(params, ExtendedKeyUsagePurpose::ClientAuth, 4095)
    }

    /// A client that trusts this authority, and shows a certificate of its own if it has one.
    pub(crate) fn trust(&self, own: Option<&Pair>) -> ClientTlsConfig {
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.pem())).domain_name(SERVER);
        match own {
            Some(Pair { cert, key }) => config.identity(Identity::from_pem(cert, key)),
            None => config,
        }
    }
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(name).with_extension("pem"), &self.cert).unwrap();
        fs::write(folder.join(name).with_extension("key"), &self.key).unwrap();
    }
}

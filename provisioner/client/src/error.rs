//! Why a call failed, told so that an operator knows where to look.
//!
//! What the service itself says is passed on as it is (`Problem`); only what happens before it can say
//! something is put into words here.

use provisioner_api::Problem;
use std::{error::Error, io, path::PathBuf};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service's address can't be used.
    #[error("`{url}` is no address of a service: {why}; it should look like https://billet.example.org:7443")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The CA certificate can't be used.
    #[error("the CA certificate is of no use: {why}; take `tls/ca.pem` from the service's data folder")]
    BadCa {
        /// What is wrong with it.
        why: String,
    },
    /// The token can't be sent.
    #[error("the token holds characters that no token has; copy it again, without spaces or line ends")]
    BadToken,
    /// A name can't be part of a path.
    #[error("`{name}` is neither a name nor an id")]
    BadName {
        /// What was given.
        name: String,
    },
    /// The HTTP client could not be made.
    #[error("can't set up the HTTP client")]
    Setup {
        /// What it said.
        #[source]
        source: reqwest::Error,
    },
    /// Nobody answered.
    #[error("can't reach {url}: {why}; is `billet serve` running there?")]
    Unreachable {
        /// The service.
        url: String,
        /// What the network said, in words.
        why: String,
        /// What it said exactly.
        #[source]
        source: reqwest::Error,
    },
    /// Somebody answered whom our CA does not vouch for.
    #[error(
        "the service at {url} is not the one that this CA certificate vouches for: {why}; if it was set up anew, take its new `tls/ca.pem`, or else somebody is in between"
    )]
    Untrusted {
        /// The service.
        url: String,
        /// What TLS said, in words.
        why: String,
        /// What it said exactly.
        #[source]
        source: reqwest::Error,
    },
    /// It was read before another answer that was heard already.
    #[error("{url} is behind: its answer is of {fence}, and another replica's was of {highest}")]
    Late {
        /// Who answered.
        url: String,
        /// What it read.
        fence: provisioner_api::agent::Fence,
        /// What was heard before.
        highest: provisioner_api::agent::Fence,
    },
    /// The answer did not come in time.
    #[error("{url} did not answer in time; it may be overloaded, see its log")]
    TimedOut {
        /// The service.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// A stream that shows now and then that it is alive did not.
    #[error("nothing was heard of the service for {seconds} s; the connection was given up")]
    Silent {
        /// For how long.
        seconds: u64,
    },
    /// A stream ended before it began.
    #[error(
        "the stream of changes ended before it began; a proxy may be between, or the service is being restarted"
    )]
    Ended,
    /// The connection broke in the middle.
    #[error("the connection to {url} broke in the middle: {why}; see the service's log and try again")]
    Broken {
        /// The service.
        url: String,
        /// What happened, in words.
        why: String,
        /// What it said exactly.
        #[source]
        source: reqwest::Error,
    },
    /// The service said no, and why.
    #[error("{0}")]
    Problem(Problem),
    /// The service said no, without a problem body.
    #[error("{url} answered {status} without a reason; is it a Billet service of this version?")]
    Status {
        /// The service.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer makes no sense to us.
    #[error(
        "{url} answered something that this version doesn't understand ({why}); are both of the same version?"
    )]
    Garbled {
        /// The service.
        url: String,
        /// What was wrong.
        why: String,
    },
    /// The answer is larger than anything that we expect.
    #[error("{url} answered more than {limit} bytes; that can't be right")]
    TooLarge {
        /// The service.
        url: String,
        /// How much we take.
        limit: usize,
    },
    /// A file to send can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ClientError {
    /// The HTTP status, if the service answered at all.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the service could not be asked or could not answer just now, so that the same call may work later:
    /// it is not there, is being restarted, is overloaded. Never true for a refusal, nor for what the service answers of a
    /// machine's BMC: whether that is to be repeated is for a person to say.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::Late { .. }
            | Self::Silent { .. }
            | Self::Ended => true,
            Self::Problem(problem) if problem.kind.starts_with("bmc-") => false,
            _ => matches!(self.status(), Some(429 | 502..=504)),
        }
    }

    /// What became of a request that brought no answer.
    /// For a stream of plain bytes: whatever ends it early is a broken connection.
    pub(crate) fn broken(source: reqwest::Error) -> Self {
        if source.is_decode() {
            let why = cause(&source).words();
            return Self::Broken { url: origin(&source), why, source };
        }
        Self::from_reqwest(source)
    }

    pub(crate) fn from_reqwest(source: reqwest::Error) -> Self {
        let url = origin(&source);
        let cause = cause(&source);
        let tls = matches!(cause, Cause::Tls(_));
        let why = cause.words();
        if tls {
            Self::Untrusted { url, why, source }
        } else if source.is_connect() {
            Self::Unreachable { url, why, source }
        } else if source.is_timeout() {
            Self::TimedOut { url, source }
        } else if source.is_decode() {
            Self::Garbled { url, why: source.to_string() }
        } else {
            Self::Broken { url, why, source }
        }
    }
}

/// Which service it was.
fn origin(source: &reqwest::Error) -> String {
    source.url().map_or_else(|| "the service".to_owned(), |url| url.origin().ascii_serialization())
}

/// What lies at the bottom of a failed request.
enum Cause {
    /// TLS refused.
    Tls(String),
    /// The network.
    Io(io::ErrorKind, String),
    /// Something else.
    Other(String),
}

impl Cause {
    /// It in words.
    fn words(self) -> String {
        match self {
            Self::Io(io::ErrorKind::ConnectionRefused, _) => "connection refused".to_owned(),
            Self::Io(io::ErrorKind::ConnectionReset, _) => "the connection was reset".to_owned(),
            Self::Io(io::ErrorKind::TimedOut, _) => "no answer".to_owned(),
            Self::Io(io::ErrorKind::UnexpectedEof, _) => "the other side closed the connection".to_owned(),
            Self::Io(_, text) | Self::Tls(text) | Self::Other(text) => text,
        }
    }
}

/// Looks for the bottom of a chain of errors. An `io::Error` hides what it wraps from `source()`, so it is
/// opened by hand.
fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    let mut found = Cause::Other(error.to_string());
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls_words(tls));
        }
        found = match error.downcast_ref::<io::Error>() {
            Some(io) => {
                if let Some(Cause::Tls(text)) = io.get_ref().map(|inner| cause(inner)) {
                    return Cause::Tls(text);
                }
                Cause::Io(io.kind(), io.to_string())
            }
            None => Cause::Other(error.to_string()),
        };
        next = error.source();
    }
    found
}

/// What TLS said, in words.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is signed by another CA".to_owned()
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name or address; add this one to `api.names`".to_owned()
        }
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired; check the clocks, restart the service".to_owned()
        }
        rustls::Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet; check the clocks".to_owned()
        }
        other => other.to_string(),
    }
}

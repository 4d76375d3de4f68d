//! When a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::{
    error::X509Error,
    nom,
    prelude::{ASN1Time, FromDer as _, X509Certificate},
};

/// The period in which a certificate may be used, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// On which side of a certificate's validity a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideValidity {
    /// The certificate's last moment has passed.
    #[error("it expired at {}", OffsetDateTime::from(*.0))]
    Expired(SystemTime),
    /// The certificate's first moment is still to come.
    #[error("it becomes valid at {}", OffsetDateTime::from(*.0))]
    NotYetValid(SystemTime),
}

impl Validity {
    /// The validity that a certificate states.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, X509Error> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
            nom::Err::Incomplete(_) => X509Error::InvalidCertificate,
        })?;
        let stated = parsed.validity();
        Ok(Self { not_before: system_time(stated.not_before)?, not_after: system_time(stated.not_after)? })
    }

    /// Whether `moment` lies inside; if not, on which side of it.
    pub fn check(&self, moment: SystemTime) -> Result<(), OutsideValidity> {
        if moment < self.not_before {
            Err(OutsideValidity::NotYetValid(self.not_before))
        } else if moment > self.not_after {
            Err(OutsideValidity::Expired(self.not_after))
        } else {
            Ok(())
        }
    }

    /// Whether `moment` lies inside.
    pub fn contains(&self, moment: SystemTime) -> bool {
        self.check(moment).is_ok()
    }

    /// How long it still lasts: nothing once it has ended.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

fn system_time(time: ASN1Time) -> Result<SystemTime, X509Error> {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment =
        if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    moment.ok_or(X509Error::InvalidDate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn one_day_from_epoch() -> Validity {
        Validity { not_before: UNIX_EPOCH, not_after: UNIX_EPOCH + DAY }
    }

    #[test]
    fn both_ends_belong_to_the_validity() {
        let validity = one_day_from_epoch();
        assert!(validity.contains(validity.not_before));
        assert!(validity.contains(validity.not_after));
    }

    #[test]
    fn a_moment_outside_is_told_on_which_side_it_lies() {
        let validity = one_day_from_epoch();
        let second = Duration::from_secs(1);
        assert_eq!(
            validity.check(validity.not_before - second),
            Err(OutsideValidity::NotYetValid(validity.not_before))
        );
        assert_eq!(
            validity.check(validity.not_after + second),
            Err(OutsideValidity::Expired(validity.not_after))
        );
    }

    #[test]
    fn nothing_is_left_after_the_end() {
        assert_eq!(one_day_from_epoch().left(UNIX_EPOCH + 2 * DAY), Duration::ZERO);
    }

    #[test]
    fn garbage_and_truncation_are_errors() {
        assert!(Validity::of(&CertificateDer::from(vec![])).is_err());
        assert!(Validity::of(&CertificateDer::from(vec![0x30, 0x82, 0x01])).is_err());
        assert!(Validity::of(&CertificateDer::from(vec![0xff; 64])).is_err());
    }
}

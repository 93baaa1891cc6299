//! User data as a request has it: text that cloud-init reads, or any bytes as base64.

use super::{error::ApiError, validate::Fields};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use provisioner_api::InstanceSpec;

/// Most bytes of it: they go with an order to the agent, and into the seed.
const MOST: usize = 512 * 1024;

/// What is wrong with it; `at` is where its fields are.
pub(super) fn check(fields: &mut Fields, at: &str, spec: &InstanceSpec) {
    let own = spec.user.is_some() || !spec.ssh_keys.is_empty();
    if let Some(data) = &spec.user_data {
        let field = format!("{at}user_data");
        fields.check(!own, &field, "give either user_data or user and ssh_keys, not both");
        let known = ["#", "Content-Type:", "MIME-Version:"].iter().any(|start| data.starts_with(start));
        fields.check(
            known,
            &field,
            "cloud-init needs a first line such as `#cloud-config` or `#!/bin/sh`; give anything else as user_data_base64",
        );
        fields.check(data.len() <= MOST, &field, "at most 512 KiB fit the seed");
    }
    if let Some(text) = &spec.user_data_base64 {
        let field = format!("{at}user_data_base64");
        fields.check(!own, &field, "give either user_data_base64 or user and ssh_keys, not both");
        fields.check(spec.user_data.is_none(), &field, "give either user_data or user_data_base64, not both");
        match BASE64.decode(text) {
            Ok(bytes) => fields.check(bytes.len() <= MOST, &field, "at most 512 KiB fit the seed"),
            Err(error) => {
                fields.check(false, &field, format!("base64 (RFC 4648, section 4) is needed: {error}"))
            }
        }
    }
}

/// Takes it out of what is asked for, as the bytes that the system will find: it is stored elsewhere, sealed.
pub(super) fn take(spec: &mut InstanceSpec) -> Result<Option<Vec<u8>>, ApiError> {
    match (spec.user_data.take(), spec.user_data_base64.take()) {
        (Some(text), _) => Ok(Some(text.into_bytes())),
        (None, Some(text)) => match BASE64.decode(text) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(ApiError::field("user_data_base64", error.to_string())),
        },
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(spec: &InstanceSpec) -> String {
        let mut fields = Fields::default();
        check(&mut fields, "spec.", spec);
        fields.done().err().map(|error| format!("{error:?}")).unwrap_or_default()
    }

    #[test]
    fn bytes_come_out_as_they_were() {
        let gzip = [0x1f, 0x8b, 8, 0, 0xff];
        let mut spec =
            InstanceSpec { user_data_base64: Some(BASE64.encode(gzip)), ..InstanceSpec::new("os") };
        assert_eq!(problems(&spec), "");
        assert_eq!(take(&mut spec).unwrap().unwrap(), gzip);
        assert_eq!((&spec.user_data, &spec.user_data_base64), (&None, &None), "it is stored nowhere else");
        assert_eq!(take(&mut spec).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let spec =
            |text: &str| InstanceSpec { user_data_base64: Some(text.into()), ..InstanceSpec::new("os") };
        for (spec, words) in [
            (spec("?"), "base64 (RFC 4648"),
            (spec(&BASE64.encode(vec![0; MOST + 1])), "at most 512 KiB"),
            (InstanceSpec { user: Some("a".into()), ..spec("") }, "not both"),
            (InstanceSpec { user_data: Some("#!".into()), ..spec("") }, "not both"),
        ] {
            let told = problems(&spec);
            assert!(told.contains("spec.user_data_base64") && told.contains(words), "{told}");
        }
    }
}

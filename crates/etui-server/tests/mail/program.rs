//! `etui-server mail-test`: what an operator is told.

use std::{
    path::Path,
    process::{Command, Output},
};

use etui_services::Smtp;

fn mail_test(server: &str, to: &str, more: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
    command.args(["mail-test", "--mail-server", server, "--mail-from", "etui@example.org", "--to", to]);
    command.env_remove("SSL_CERT_FILE").envs(more.iter().copied());
    command.output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_works_and_what_does_not_is_told_step_by_step() {
    let smtp = Smtp::start().unwrap();
    let server = smtp.address().to_string();
    let sent = mail_test(&server, "ada@example.org", &[]);
    assert!(sent.status.success(), "{sent:?}");
    assert!(said(&sent.stdout).contains("the mail server said: 250 kept"), "{sent:?}");
    assert_eq!(smtp.received().unwrap()[0].subject, "A letter from Etui");

    let refused = mail_test(&server, "refused@example.org", &[]);
    assert!(!refused.status.success());
    let words = said(&refused.stderr);
    assert!(words.contains("naming the recipient to the mail server failed"), "{words}");
    assert!(words.contains("550") && words.contains("no such user as refused@example.org"), "{words}");

    let encrypted = mail_test(&server, "ada@example.org", &[("ETUI_MAIL_TLS", Path::new("required"))]);
    let words = said(&encrypted.stderr);
    assert!(words.contains("encrypting the connection to the mail server failed"), "{words}");

    drop(smtp);
    let away = said(&mail_test(&server, "ada@example.org", &[]).stderr);
    assert!(away.contains("connecting to the mail server failed"), "{away}");
}

#[test]
fn a_server_with_tls_and_a_password_is_used_as_it_wants() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start_protected().unwrap());
    let credentials = folder.path().join("credentials");
    std::fs::write(&credentials, "etui\nhands in\n").unwrap();
    let server = format!("localhost:{}", smtp.address().port());
    let certificate = smtp.certificate();
    let required = ("ETUI_MAIL_TLS", Path::new("required"));
    let (file, trust) =
        (("ETUI_MAIL_CREDENTIALS_FILE", credentials.as_path()), ("SSL_CERT_FILE", certificate.as_path()));

    let sent = mail_test(&server, "ada@example.org", &[required, file, trust]);
    assert!(sent.status.success(), "{sent:?}");
    let letter = smtp.received().unwrap().remove(0);
    assert!(letter.encrypted && letter.signed_in);

    let untrusted = said(&mail_test(&server, "ada@example.org", &[required, file]).stderr);
    assert!(untrusted.contains("encrypting the connection to the mail server failed"), "{untrusted}");
    let nobody = said(&mail_test(&server, "ada@example.org", &[required, trust]).stderr);
    assert!(nobody.contains("naming the sender to the mail server failed"), "{nobody}");
    assert!(nobody.contains("530"), "{nobody}");
    std::fs::write(&credentials, "etui\nwrong-canary\n").unwrap();
    let wrong = said(&mail_test(&server, "ada@example.org", &[required, file, trust]).stderr);
    assert!(wrong.contains("signing in to the mail server failed"), "{wrong}");
    assert!(wrong.contains("535") && !wrong.contains("wrong-canary"), "{wrong}");
    assert_eq!(smtp.received().unwrap().len(), 1, "nothing else was sent");
}

//! What crosses the socket.

use super::*;
use crate::agent::frame;

fn crossed(request: &Request) -> Request {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, request).unwrap();
    frame::read(&mut &*bytes).unwrap().unwrap()
}

#[test]
fn secrets_cross_the_socket_whole() {
    let value = "a\"b\\c\nd\u{1f511}";
    let request = Request::Edit {
        entry: ObjectId::new([7; 16]).unwrap(),
        edits: vec![Edit::Set { path: "password".to_owned(), value: Secret::new(value) }, Edit::Trash],
    };
    let Request::Edit { edits, .. } = crossed(&request) else { panic!("another request") };
    assert!(matches!(&edits[..], [Edit::Set { value: found, .. }, Edit::Trash] if found.expose() == value));
}

#[test]
fn lock_keeps_its_form() {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Request::Lock).unwrap();
    assert_eq!(bytes, b"\0\0\0\x06\"lock\"");
}

#[test]
fn debug_shows_no_secret() {
    let credentials = Credentials {
        server: "https://etui.test".to_owned(),
        email: "ada@example.org".to_owned(),
        way: Way::LoginPassword(Secret::new("login-secret")),
        second_factor: None,
        master_password: Secret::new("master-secret"),
        device_name: "laptop".to_owned(),
        use_keyring: true,
        keep_account: false,
        accept_kdf_memory: false,
    };
    let request =
        Request::SignUp { credentials, kdf: Kdf::Keep, invitation: Some(Secret::new("invitation-secret")) };
    assert!(!format!("{request:?}").contains("-secret"));
}

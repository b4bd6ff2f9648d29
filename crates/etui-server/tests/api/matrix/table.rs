//! What each operation asks of whoever calls it.

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nobody in particular: whatever it takes is in the body.
    Nothing,
    /// A live session.
    Session,
    /// A live session whose holder has just signed in.
    Fresh,
    /// A session of an account that is being deleted.
    Leaving,
    /// The one or the other.
    FreshOrLeaving,
    /// A session of an administrator who has just signed in.
    FreshAdministrator,
    /// A token for administration alone.
    Admin,
}

use Needs::{Admin, Fresh, FreshAdministrator, FreshOrLeaving, Leaving, Nothing, Session};

/// One operation.
pub(super) struct Case {
    pub(super) operation: &'static str,
    pub(super) needs: Needs,
}

const fn case(operation: &'static str, needs: Needs) -> Case {
    Case { operation, needs }
}

/// The line of an operation.
pub(super) fn of(operation: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.operation == operation)
}

pub(super) const CASES: &[Case] = &[
    case("sign_up", Nothing),
    case("sign_in", Nothing),
    case("fetch_data_export", Nothing),
    case("sign_in_with_code", Nothing),
    case("sign_in_with_device_code", Nothing),
    case("sign_in_with_link", Nothing),
    case("sign_in_with_passkey", Nothing),
    case("show_second_factor", Nothing),
    case("refresh", Nothing),
    case("ask_for_link", Nothing),
    case("begin_passkey_sign_in", Nothing),
    case("begin_device_code", Nothing),
    case("describe_server", Nothing),
    case("get_token_keys", Nothing),
    case("is_alive", Nothing),
    case("is_ready", Nothing),
    case("get_openapi", Nothing),
    case("get_reference", Nothing),
    case("sign_out", Session),
    case("sign_out_others", Session),
    case("list_devices", Session),
    case("approve_device", Session),
    case("sign_out_device", Session),
    case("get_keysets", Session),
    case("get_states", Session),
    case("push_state", Session),
    case("pull", Session),
    case("get_commits", Session),
    case("push", Session),
    case("get_record", Session),
    case("heal", Session),
    case("follow", Session),
    case("list_ways", Session),
    case("entitlements", Session),
    case("confirm_email", Session),
    case("list_account_events", Session),
    case("export_account_events", Session),
    case("set_login_password", Fresh),
    case("remove_login_password", Fresh),
    case("begin_passkey", Fresh),
    case("add_passkey", Fresh),
    case("rename_passkey", Fresh),
    case("remove_passkey", Fresh),
    case("begin_totp", Fresh),
    case("confirm_totp", Fresh),
    case("remove_totp", Fresh),
    case("replace_recovery_codes", Fresh),
    case("switch_links", Fresh),
    case("switch_device_approval", Fresh),
    case("change_email", Fresh),
    case("hand_over", Fresh),
    case("delete_account", Fresh),
    case("keep_account", Leaving),
    case("begin_data_export", FreshOrLeaving),
    case("administer", FreshAdministrator),
    case("admin_accounts", Admin),
    case("admin_account", Admin),
    case("admin_disable", Admin),
    case("admin_role", Admin),
    case("admin_plan", Admin),
    case("admin_account_flag", Admin),
    case("admin_sign_out", Admin),
    case("admin_flags", Admin),
    case("admin_flag_share", Admin),
    case("admin_remove_flag", Admin),
    case("admin_plans", Admin),
    case("admin_define_plan", Admin),
    case("admin_invite", Admin),
    case("admin_statistics", Admin),
    case("admin_events", Admin),
    case("export_admin_events", Admin),
];

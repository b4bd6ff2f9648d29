//! All attacks on the core, by name.

use super::{kit, scene};

/// On who the account is: states, keysets, vaults, the derivation.
#[path = "account.rs"]
pub(crate) mod account;
/// On what the newest is.
#[path = "history.rs"]
pub(crate) mod history;
/// On records: what a server holds and gives back.
#[path = "records.rs"]
pub(crate) mod records;

/// Hands the list to a macro.
macro_rules! for_each_attack {
    ($callback:ident) => {
        $callback! {
            records {
                bw04_type_and_version_rewritten
                bw05_record_swapped_with_another
                lp02_every_byte_of_a_record_altered
                lp05_record_bits_flipped
                op02_record_copied_to_a_new_id
                dl01_records_dropped_repeated_reordered
                dl03_ten_thousand_mutated_records
                dl05_settings_ask_for_no_suite
                sy06_record_of_another_account
            }
            account {
                bw01_malicious_auto_enrolment
                bw02_malicious_rotation
                bw03_forged_organisation
                bw07_kdf_parameters_lowered
                bw08_organisation_injected
                bw09_vault_key_overwritten
                bw10_version_downgraded
                bw11_null_keys
                bw12_key_objects_truncated
                lp01_keys_of_administrators_appended
                lp04_every_kdf_parameter_out_of_bounds
                op01_recovery_key_swapped_at_creation
                op03_vault_injected
                op04_second_secret_dropped
                op06_vault_substituted_on_a_new_device
                dl04_settings_lower_the_kdf
                dl06_password_bytes_are_never_a_key
                sy09_any_key_object_replaced
            }
            history {
                sy01_one_entry_rolled_back
                sy02_whole_account_rolled_back
                sy05_deleted_entry_dropped_or_resurrected
                sy08_fork_shown_to_two_devices
            }
        }
    };
}
pub(crate) use for_each_attack;

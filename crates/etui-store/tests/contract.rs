//! What every backend must do, written against the public face alone.

#[path = "contract/accounts.rs"]
mod accounts;
#[path = "contract/approval.rs"]
mod approval;
#[path = "contract/backend.rs"]
mod backend;
#[path = "contract/client.rs"]
mod client;
#[path = "contract/compaction.rs"]
mod compaction;
#[path = "contract/credentials.rs"]
mod credentials;
#[path = "contract/durability.rs"]
mod durability;
#[path = "contract/healing.rs"]
mod healing;
#[path = "contract/invitations.rs"]
mod invitations;
#[path = "contract/limits.rs"]
mod limits;
#[path = "contract/maintenance.rs"]
mod maintenance;
#[path = "contract/model.rs"]
mod model;
#[cfg(feature = "services-tests")]
#[path = "contract/nodes.rs"]
mod nodes;
#[path = "contract/pending.rs"]
mod pending;
#[path = "contract/plans.rs"]
mod plans;
#[path = "contract/privacy.rs"]
mod privacy;
#[path = "contract/pushes.rs"]
mod pushes;
#[path = "contract/schemas.rs"]
mod schemas;
#[path = "contract/sessions.rs"]
mod sessions;
#[path = "contract/states.rs"]
mod states;
#[path = "contract/superseded.rs"]
mod superseded;
#[path = "contract/twins.rs"]
mod twins;

/// A test for each contract of a list, on one backend.
macro_rules! tests {
    ($module:ident: $backend:ident { $($area:ident: $($contract:ident)*;)* }) => {
        mod $module {
            $(mod $area {
                $(#[tokio::test]
                async fn $contract() {
                    crate::$area::$contract(&crate::backend::$backend()).await;
                })*
            })*
        }
    };
}

/// Runs every contract on a backend.
macro_rules! contracts {
    ($backend:ident) => {
        tests! { $backend: $backend {
        accounts:
            what_signs_up_is_read_back
            a_login_hash_is_replaced_only_where_it_is_still_the_same
            an_address_and_an_id_are_taken_once
            sign_ups_that_break_a_rule_are_refused
            other_accounts_see_nothing;
        sessions:
            a_session_lives_until_it_expires_or_is_ended
            the_hundred_and_first_session_ends_the_one_unused_for_longest
            refresh_tokens_work_once_and_reuse_ends_the_session
            a_token_of_a_session_that_is_over_is_no_copy
            a_lost_answer_is_given_again_to_the_same_request_alone
            a_token_that_says_nothing_ends_no_session
            of_many_that_exchange_one_token_none_is_left_with_another
            no_list_of_spent_tokens_is_kept
            a_device_has_one_session
            the_others_are_signed_out_at_once
            use_is_noted_to_the_minute;
        approval:
            a_new_device_is_given_nothing_until_another_approves_it
            another_account_approves_nobody
            who_waits_waits_on_whatever_becomes_of_its_session
            a_device_that_was_signed_out_by_another_waits_again
            one_factor_is_nobody_beside_a_device_that_could_approve
            who_was_asked_for_nothing_is_not_present
            where_nobody_could_approve_nobody_waits
            a_disabled_account_is_given_nothing
            an_account_that_is_being_deleted_can_only_be_left_or_kept;
        credentials:
            every_change_ends_other_sessions_and_what_was_begun
            a_change_that_is_refused_ends_nothing
            of_two_changes_at_once_a_way_remains
            what_belongs_to_another_is_taken
            whoever_signed_in_long_ago_is_not_fresh
            a_state_that_changes_how_it_is_unlocked_ends_other_sessions
            a_step_and_a_recovery_code_are_used_once;
        superseded:
            who_was_thrown_out_changes_nothing_any_more
            of_two_changes_of_two_sessions_the_second_is_refused
            what_was_proven_before_a_change_is_nothing_after_it
            a_page_ends_with_the_device_that_opened_it
            a_new_device_is_announced_or_not_there
            who_was_signed_out_by_another_is_a_new_device_again;
        pending:
            of_many_who_take_it_one_gets_it
            a_secret_counts_for_its_purpose_and_its_time
            tries_run_out_however_many_ask_at_once
            what_has_changed_meanwhile_is_not_replaced
            what_was_begun_goes_with_the_account
            an_account_has_the_newest_twenty_of_each_purpose
            what_is_over_is_collected;
        invitations:
            the_first_account_is_the_administrators
            an_invitation_is_followed_once
            an_invitation_admits_whom_it_names_while_it_lasts
            an_administrator_is_invited_until_there_is_one
            invitations_that_are_over_are_collected;
        pushes:
            a_pushed_commit_is_pulled_by_others
            commits_that_break_a_rule_are_refused
            records_that_break_a_rule_are_refused
            what_builds_on_another_head_or_state_is_told_so
            a_repeated_push_is_answered_as_the_first
            of_two_pushes_at_once_one_wins
            a_pull_is_true_of_one_moment
            pulls_beside_pushes_are_each_of_one_moment
            a_large_pull_comes_in_small_chunks
            listeners_hear_of_pushes_and_the_slow_are_told_to_pull;
        states:
            a_state_brings_vaults_and_records
            states_that_break_a_rule_are_refused
            what_builds_on_another_state_or_head_is_told_so
            a_repeated_state_is_answered_as_the_first
            a_removed_device_loses_its_session
            states_are_served_with_what_they_bring;
        healing:
            a_restored_server_is_healed_to_the_last_byte
            what_is_superseded_may_be_absent_and_what_is_live_may_not
            another_branch_is_a_fork
            a_gap_is_missing_and_nothing_is_taken
            what_is_put_back_is_never_refused_for_a_plan;
        plans:
            entries_of_all_vaults_count_and_only_growth_is_refused
            what_a_state_lists_no_more_makes_no_room
            what_an_older_program_pushed_is_counted
            devices_and_vaults_are_those_that_the_state_lists
            a_repeated_push_is_answered_even_when_the_room_is_gone
            every_act_is_noted_in_the_account_that_it_is_about
            the_last_administrator_stays_one;
        privacy:
            every_column_is_decided_on
            a_deleted_account_is_in_no_table_and_no_object
            a_backup_under_way_finds_what_is_being_deleted
            a_deleted_account_can_be_kept_until_its_grace_is_over
            a_download_holds_everything_that_is_told
            a_large_download_is_made_by_one_node
            downloads_end_with_their_time_and_leave_nothing
            records_go_when_their_time_is_over
            refused_sign_ins_fill_no_table
            what_the_holder_did_elsewhere_is_noted
            an_account_is_kept_whole_or_gone_whole
            nothing_is_noted_of_an_account_that_is_gone
            the_log_says_with_what_it_was_done
            an_account_of_an_older_program_gets_its_key;
        durability:
            everything_is_there_after_reopening
            a_full_disk_stores_nothing
            one_process_serves_a_folder
            the_object_store_is_tried_and_left_as_it_was
            an_interrupted_push_leaves_an_orphan_that_is_collected_after_its_grace
            superseded_segments_are_collected_after_their_grace
            a_newer_schema_is_named;
        compaction:
            scattered_records_are_brought_together
            what_was_purged_leaves_the_bucket
            rows_let_go_of_what_was_purged_too
            what_cannot_be_removed_keeps_nothing_else_from_it
            a_vault_never_becomes_too_scattered_to_pull
            pushes_and_pulls_go_on_beside_compaction
            a_compaction_that_fails_is_tried_again_and_loses_nothing
            what_was_given_up_too_early_is_not_acknowledged
            a_job_is_done_once_when_it_is_due;
        limits:
            delays_grow_and_a_refused_try_costs_nothing
            a_success_is_taken_back_whole
            newcomers_do_not_wait_for_everybody
            however_many_try_at_once_no_more_are_looked_at
            what_is_forgiven_is_forgotten
            a_device_is_known_until_it_is_sent_away;
        schemas:
            every_schema_is_brought_up_to_this_version_with_its_data;
        maintenance:
            what_is_backed_up_while_others_push_is_whole
            what_is_restored_is_what_was_backed_up
            a_later_backup_copies_only_what_is_new
            verification_names_what_is_wrong_and_nothing_else
            a_folder_without_a_store_is_not_made_into_one
            what_is_missing_is_not_passed_over
            segments_of_another_database_are_left_alone;
        model:
            pulls_equal_the_model_under_random_edits;
        } }
    };
}

contracts!(sqlite_and_folder);
#[cfg(feature = "services-tests")]
contracts!(postgres_and_folder);
#[cfg(feature = "services-tests")]
contracts!(postgres_and_s3);
#[cfg(feature = "services-tests")]
tests! { two_nodes: postgres_and_s3 {
    nodes:
        news_travel_between_nodes
        a_node_that_lost_its_connection_tells_its_readers_to_pull
        of_two_pushes_on_two_nodes_one_wins
        of_two_nodes_that_want_the_last_room_one_has_it
        nodes_push_in_turn
        nodes_count_tries_together
        of_fifty_refreshes_on_two_nodes_none_leaves_two_tokens
        nodes_that_start_at_once_migrate_once;
} }

mod alike {
    use crate::{
        backend::sqlite_and_folder,
        twins::{Contest, answer_alike},
    };

    #[test]
    fn a_store_and_one_that_is_restarted_all_the_time() {
        answer_alike(Contest { first: sqlite_and_folder, second: sqlite_and_folder, second_forgets: true });
    }

    #[cfg(feature = "services-tests")]
    #[test]
    fn sqlite_with_a_folder_and_postgres_with_a_bucket() {
        let second = crate::backend::postgres_and_s3;
        answer_alike(Contest { first: sqlite_and_folder, second, second_forgets: false });
    }
}

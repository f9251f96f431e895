//! All rules. A new one is two files and a line in each list here.

mod ambiguous_ipv4;
mod any_bind_not_granted;
mod backend_any_address;
mod bad_value;
mod carried_by_assumption;
mod cgnat_as_private;
mod cidr_with_host_bits;
mod class_mismatch;
mod clients_cover_everything;
mod clients_missing_on_shared;
mod clients_one_family;
mod clients_wider_than_scope;
mod dual_stack_request;
mod duplicate_key;
mod duplicate_port;
mod ephemeral_clash;
mod exception_expired;
mod exception_expiring;
mod exception_incomplete;
mod exception_too_long;
mod exposure_not_granted;
mod grant_box_too_wide;
mod guardrail_writable;
mod guardrails_contradict;
mod hostname_bind;
mod inherited_socket_mismatch;
mod interface_without_scopes;
mod limit_exceeded;
mod limits_exceed_nofile;
mod link_local_without_zone;
mod metadata_backend;
mod missing_key;
mod multicast_or_broadcast_bind;
mod no_connection_limit_public;
mod no_guardrails;
mod no_idle_timeout_public;
mod no_v6_stack;
mod not_supported_yet;
mod overlapping_exceptions;
mod port_zero;
mod privileged_port;
mod public_not_granted;
mod purpose_missing;
mod runs_as_root;
mod self_loop;
mod sensitive_backend_exposed;
mod sensitive_port_exposed;
mod shadow_listener;
mod special_address;
mod subnet_ambiguous;
mod test_failed;
mod test_unknown;
mod test_vacuous;
mod transition_address;
mod ula_fc00;
mod unfulfilled_expect;
mod unix_socket_open;
mod unknown_code;
mod unknown_key;
mod unknown_reference;
mod unused_grant;
mod unused_network;
mod v4_mapped_literal;
mod v6_unspecified;
mod v6_wider_than_v4;
mod visible_to_world;
mod wider_than_declared;
mod wrong_type;
mod yaml_ambiguous;
mod yaml_syntax;

use super::Rule;

/// The rule that `lint::expectation` reports.
pub(super) static UNFULFILLED_EXPECT: &Rule = &unfulfilled_expect::RULE;

/// Every rule, in ascending order of code.
pub static ALL: &[&Rule] = &[
    &yaml_syntax::RULE,
    &unknown_key::RULE,
    &duplicate_key::RULE,
    &wrong_type::RULE,
    &bad_value::RULE,
    &unknown_reference::RULE,
    &missing_key::RULE,
    &limit_exceeded::RULE,
    &not_supported_yet::RULE,
    &any_bind_not_granted::RULE,
    &public_not_granted::RULE,
    &wider_than_declared::RULE,
    &clients_cover_everything::RULE,
    &clients_missing_on_shared::RULE,
    &clients_wider_than_scope::RULE,
    &visible_to_world::RULE,
    &shadow_listener::RULE,
    &grant_box_too_wide::RULE,
    &exposure_not_granted::RULE,
    &class_mismatch::RULE,
    &hostname_bind::RULE,
    &v4_mapped_literal::RULE,
    &ambiguous_ipv4::RULE,
    &ula_fc00::RULE,
    &cgnat_as_private::RULE,
    &special_address::RULE,
    &multicast_or_broadcast_bind::RULE,
    &link_local_without_zone::RULE,
    &transition_address::RULE,
    &cidr_with_host_bits::RULE,
    &subnet_ambiguous::RULE,
    &privileged_port::RULE,
    &ephemeral_clash::RULE,
    &port_zero::RULE,
    &duplicate_port::RULE,
    &v6_unspecified::RULE,
    &interface_without_scopes::RULE,
    &v6_wider_than_v4::RULE,
    &clients_one_family::RULE,
    &no_v6_stack::RULE,
    &dual_stack_request::RULE,
    &inherited_socket_mismatch::RULE,
    &sensitive_port_exposed::RULE,
    &sensitive_backend_exposed::RULE,
    &metadata_backend::RULE,
    &backend_any_address::RULE,
    &self_loop::RULE,
    &no_idle_timeout_public::RULE,
    &no_connection_limit_public::RULE,
    &limits_exceed_nofile::RULE,
    &runs_as_root::RULE,
    &unix_socket_open::RULE,
    &guardrail_writable::RULE,
    &exception_expired::RULE,
    &exception_expiring::RULE,
    &unfulfilled_expect::RULE,
    &yaml_ambiguous::RULE,
    &unused_grant::RULE,
    &unused_network::RULE,
    &purpose_missing::RULE,
    &overlapping_exceptions::RULE,
    &unknown_code::RULE,
    &no_guardrails::RULE,
    &exception_too_long::RULE,
    &exception_incomplete::RULE,
    &carried_by_assumption::RULE,
    &guardrails_contradict::RULE,
    &test_failed::RULE,
    &test_vacuous::RULE,
    &test_unknown::RULE,
];

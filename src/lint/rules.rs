//! All rules. A new one is two files and a line in each list here.

mod ambiguous_ipv4;
mod any_bind_not_granted;
mod backend_any_address;
mod bad_value;
mod cidr_with_host_bits;
mod class_mismatch;
mod clients_one_family;
mod dual_stack_request;
mod duplicate_key;
mod duplicate_port;
mod ephemeral_clash;
mod hostname_bind;
mod interface_without_scopes;
mod limit_exceeded;
mod link_local_without_zone;
mod missing_key;
mod multicast_or_broadcast_bind;
mod no_idle_timeout_public;
mod not_supported_yet;
mod port_zero;
mod privileged_port;
mod public_not_granted;
mod purpose_missing;
mod self_loop;
mod shadow_listener;
mod special_address;
mod subnet_ambiguous;
mod unix_socket_open;
mod unknown_key;
mod unknown_reference;
mod v4_mapped_literal;
mod v6_unspecified;
mod wider_than_declared;
mod wrong_type;
mod yaml_ambiguous;
mod yaml_syntax;

use super::Rule;

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
    &shadow_listener::RULE,
    &class_mismatch::RULE,
    &hostname_bind::RULE,
    &v4_mapped_literal::RULE,
    &ambiguous_ipv4::RULE,
    &special_address::RULE,
    &multicast_or_broadcast_bind::RULE,
    &link_local_without_zone::RULE,
    &cidr_with_host_bits::RULE,
    &subnet_ambiguous::RULE,
    &privileged_port::RULE,
    &ephemeral_clash::RULE,
    &port_zero::RULE,
    &duplicate_port::RULE,
    &v6_unspecified::RULE,
    &interface_without_scopes::RULE,
    &clients_one_family::RULE,
    &dual_stack_request::RULE,
    &backend_any_address::RULE,
    &self_loop::RULE,
    &no_idle_timeout_public::RULE,
    &unix_socket_open::RULE,
    &yaml_ambiguous::RULE,
    &purpose_missing::RULE,
];

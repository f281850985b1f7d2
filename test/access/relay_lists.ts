// Recipient restrictions, alone on guard, and what the proof against open relay says of them.

/** What the lists are evaluated with. */
export const BASE = `
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
mydestination = example.com, localhost
mynetworks = 10.0.0.0/8
relay_domains = relay.example
virtual_alias_domains = alias.example
local_recipient_maps =
smtpd_restriction_classes = loop, strict, lenient, dunno
loop = loop
strict = permit_auth_destination, reject_unauth_destination
lenient = check_sender_access inline:{ann@example.org=OK}
dunno = permit_mynetworks
`;

/** A list, and the verdict on it. */
export const LISTS: readonly (readonly [list: string, verdict: "closed" | "loose" | "doubt" | "open"])[] = [
  ["permit_mynetworks, reject_unauth_destination", "closed"],
  ["permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination", "closed"],
  ["permit_mynetworks, reject", "closed"],
  ["permit_mynetworks", "open"],
  ["", "open"],
  ["permit_mynetworks, permit, reject_unauth_destination", "open"],
  ["warn_if_reject reject_unauth_destination", "open"],
  ["warn_if_reject reject", "open"],
  ["warn_if_reject strict", "open"],
  ["strict, permit", "closed"],
  ["defer_if_permit, permit", "closed"],
  ["loop", "closed"],
  ["dunno, lenient, reject", "open"],
  ["check_sender_access inline:{partner.example=OK}, reject_unauth_destination", "open"],
  ["reject_unauth_destination, check_sender_access inline:{partner.example=OK}", "closed"],
  ["check_sender_access inline:{@partner.example=OK}, reject_unauth_destination", "closed"],
  ["check_sender_access inline:{{@partner.example = ,}}, reject_unauth_destination", "closed"],
  ["check_client_access inline:{fd00=OK}, reject_unauth_destination", "closed"],
  [
    "check_sender_access inline:{partner.example=DUNNO,x.example=REJECT}, reject_unauth_destination",
    "closed",
  ],
  ["check_sender_access inline:{partner.example=DISCARD}, reject_unauth_destination", "closed"],
  ["check_sender_access inline:{boss@=12345}, reject_unauth_destination", "open"],
  ["check_sender_access inline:{<>=OK}, reject_unauth_destination", "open"],
  ["check_sender_access inline:{partner.example=strict}, reject_unauth_destination", "closed"],
  ["check_sender_access inline:{partner.example=permit_mynetworks}, reject_unauth_destination", "closed"],
  ["check_sender_access inline:{partner.example=lenient}, reject_unauth_destination", "doubt"],
  ["check_sender_access inline:{example.org=lenient}, reject_unauth_destination", "open"],
  ["check_sender_access static:OK, reject", "open"],
  ["check_sender_access regexp:{{/@partner\\.example$$/ OK}}, reject", "open"],
  ["check_sender_access regexp:{{/./ DUNNO} {/@partner\\.example$$/ OK}}, reject", "closed"],
  ["check_sender_access pcre:{{/^(root|admin)@/ OK}}, reject", "open"],
  ["check_helo_access inline:{friend.example=OK}, reject", "open"],
  ["check_helo_access regexp:{{/^\\[/ OK}}, reject", "open"],
  ["permit_naked_ip_address, reject", "open"],
  ["check_client_access inline:{192.0.2.5=OK,203.0=OK}, reject", "closed"],
  ["check_client_access inline:{friend.example=OK}, reject", "closed"],
  ["check_client_access inline:{unknown=OK}, reject", "open"],
  ["check_client_access inline:{com=OK}, reject", "open"],
  ["check_client_access cidr:{{192.0.2.0/24 OK}}, reject", "closed"],
  ["check_client_access cidr:{{0.0.0.0/0 OK}}, reject", "open"],
  ["check_client_access cidr:{{!192.0.2.0/24 OK}}, reject", "open"],
  ["check_client_access cidr:{{0.0.0.0/1 OK} {128.0.0.0/1 OK}}, reject", "open"],
  ["check_client_access regexp:{{/friend\\.example$$/ OK}}, reject", "closed"],
  ["check_client_access regexp:{{/friend\\.example/ OK}}, reject", "open"],
  ["check_client_access regexp:{{/^192\\.168\\./ OK}}, reject", "open"],
  ["check_reverse_client_hostname_access static:OK, reject", "closed"],
  ["check_recipient_access inline:{example.com=OK,x@alias.example=OK,relay.example=OK}, reject", "closed"],
  ["check_recipient_access inline:{partner.example=OK}, reject", "loose"],
  ["check_recipient_access inline:{postmaster@=OK}, reject", "open"],
  ["check_recipient_access inline:{com=OK}, reject", "open"],
  ["check_recipient_access static:OK, reject", "open"],
  ["check_recipient_access regexp:{{/./ OK}}, reject", "open"],
  ["check_recipient_access regexp:{{/@partner\\.example$$/ OK}}, reject", "loose"],
  ["check_recipient_access regexp:{{/partner\\.example/ OK}}, reject", "open"],
  ["check_recipient_access inline:{@partner.example=OK}, reject", "closed"],
  ["check_policy_service inet:127.0.0.1:9, reject_unauth_destination", "doubt"],
  ["reject_unauth_destination, check_policy_service inet:127.0.0.1:9", "closed"],
  ["check_sender_access mysql:/x, reject", "doubt"],
  ["check_sender_access unionmap:{inline:{a=OK}}, reject", "doubt"],
  ["permit_dnswl_client list.example, reject", "doubt"],
  ["reject_rbl_client list.example, reject_unknown_client_hostname, permit", "open"],
  [
    "reject_rhsbl_sender list.example, reject_unknown_sender_domain, reject_unverified_sender, permit",
    "open",
  ],
  ["check_spf, permit", "open"],
  ["check_spf, reject_unauth_destination", "closed"],
  ["check_spf_access inline:{pass=OK}, reject_unauth_destination", "closed"],
  ["check_spf_access static:OK, reject", "closed"],
  ["check_spf_access inline:{{pass=OK},{none=lenient}}, permit", "open"],
  ["permit_mx_backup, reject", "loose"],
  ["permit_tls_clientcerts, reject", "closed"],
  ["permit_tls_all_clientcerts, reject", "closed"],
  ["check_ccert_access static:OK, reject", "closed"],
  ["check_ccert_access inline:{AA:BB=OK}, reject", "closed"],
  ["no_such_restriction", "closed"],
  ["check_client_access", "closed"],
  ["reject_rbl_client", "open"],
];

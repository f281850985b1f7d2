// Configurations as people run them, for the proof against open relay: what each of the sane ones must pass without a word, and
// the mistakes that are made with them.

/** A main.cf (the lines that matter), and what the proof must say of it. */
export interface RelayConfiguration {
  readonly name: string;
  readonly main: string;
  readonly verdict: "closed" | "loose" | "doubt" | "open";
}

const HOST = `myhostname = mail.example.com
mydomain = example.com
myorigin = $mydomain
`;

/** Sane: they have to be served in silence. */
export const SANE: readonly RelayConfiguration[] = [
  {
    name: "a packaged Internet site",
    main: `compatibility_level = 3.6
${HOST}smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
mydestination = $myhostname, mail, localhost.localdomain, localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
recipient_delimiter = +
inet_interfaces = all`,
  },
  {
    name: "nothing set at all, level 3.6",
    main: `compatibility_level = 3.6`,
  },
  {
    name: "a null client that sends through a relay host",
    main: `compatibility_level = 3.6
${HOST}relayhost = [smtp.example.com]
inet_interfaces = loopback-only
mydestination =`,
  },
  {
    name: "a tutorial's small office at level 0: the recipient list alone closes",
    main: `${HOST}mydestination = $mydomain
mynetworks = 127.0.0.1 10.0.0.2/32 10.0.0.4/32
relay_domains = $mydomain
smtpd_sender_restrictions = permit_mynetworks, check_sender_access inline:{{@monitor.stm.com=OK},{*=REJECT}}, permit
smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access inline:{{@smalltreemedia.com=OK},{webmaster@example.com=OK}}, reject`,
  },
  {
    name: "before relay restrictions: one list, spam checks behind reject_unauth_destination",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8, 203.0.113.0/25
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
  reject_invalid_hostname, reject_unknown_sender_domain, check_sender_access inline:{partner.example=OK},
  check_client_access inline:{friend.example=OK}, reject_rbl_client zen.example.org, permit`,
  },
  {
    name: "POP before SMTP",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.14=OK,192.0.2.77=OK}, reject_unauth_destination`,
  },
  {
    name: "SASL submission, policy in the sender list",
    main: `compatibility_level = 2
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_sasl_auth_enable = yes
smtpd_sender_login_maps = inline:{ann@example.com=ann}
smtpd_sender_restrictions = reject_sender_login_mismatch, reject_non_fqdn_sender
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`,
  },
  {
    name: "a submission service's own lists",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_sasl_auth_enable = yes
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =`,
  },
  {
    name: "re-injection behind a content filter",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
content_filter =
smtpd_client_restrictions =
smtpd_helo_restrictions =
smtpd_sender_restrictions =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject`,
  },
  {
    name: "virtual mailboxes in SQL, delivery by LMTP, quota policy behind the relay check",
    main: `compatibility_level = 3.6
${HOST}mydestination = localhost
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = mysql:/etc/postfix/domains.cf
virtual_mailbox_maps = mysql:/etc/postfix/mailboxes.cf
virtual_alias_maps = mysql:/etc/postfix/aliases.cf,mysql:/etc/postfix/email2email.cf
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_recipient_restrictions = reject_unauth_destination check_policy_service unix:private/quota-status
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated reject_unauth_destination`,
  },
  {
    name: "virtual mailboxes in SQL, policy server before the relay check, relay restrictions closed",
    main: `compatibility_level = 3.6
${HOST}mydestination = localhost
mynetworks = 127.0.0.1 [::1]
virtual_mailbox_domains = proxy:mysql:/etc/postfix/mysql/virtual_mailbox_domains.cf
relay_domains = $mydestination, proxy:mysql:/etc/postfix/mysql/relay_domains.cf
smtpd_sender_restrictions = reject_unknown_sender_domain, reject_non_fqdn_sender, reject_unlisted_sender, permit_mynetworks, permit_sasl_authenticated, check_sender_access pcre:{{/@localhost$$/ REJECT}}
smtpd_recipient_restrictions = reject_unknown_recipient_domain, reject_non_fqdn_recipient, reject_unlisted_recipient, check_policy_service inet:127.0.0.1:7777, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, check_policy_service inet:127.0.0.1:12340`,
  },
  {
    name: "containers: webmail, antispam and mail server on one private network, everything in SQL",
    main: `compatibility_level = 3.6
${HOST}mydestination = localhost.localdomain, localhost
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 [fe80::]/10 172.22.1.0/24 [fd4d:6169:6c63:6f77::]/64
relay_domains = proxy:mysql:/opt/postfix/conf/sql/relay_domain_maps.cf
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_mynetworks, permit_sasl_authenticated, reject_unlisted_sender, reject_unknown_sender_domain
smtpd_recipient_restrictions = check_sasl_access proxy:mysql:/opt/postfix/conf/sql/forced.cf, permit_sasl_authenticated, permit_mynetworks, check_recipient_access proxy:mysql:/opt/postfix/conf/sql/tls_enforce_in_policy.cf, reject_invalid_helo_hostname, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination`,
  },
  {
    name: "a hosting panel: SQL for all, greylisting behind the relay check",
    main: `compatibility_level = 2
${HOST}mydestination = localhost
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = pgsql:/etc/postfix/sql-domains.cf
virtual_alias_domains = pgsql:/etc/postfix/sql-domain-aliases.cf
relay_domains = pgsql:/etc/postfix/sql-relaydomains.cf
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, check_recipient_access pgsql:/etc/postfix/sql-maintain.cf, reject_unverified_recipient, reject_unauth_destination, reject_non_fqdn_sender
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`,
  },
  {
    name: "greylisting, the relay check before it",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:10023`,
  },
  {
    name: "a backup MX with a list of domains",
    main: `compatibility_level = 3.6
${HOST}mydestination = localhost
mynetworks = 127.0.0.0/8
relay_domains = primary.example, other.example
relay_recipient_maps =
transport_maps = inline:{ primary.example=smtp:[10.1.1.1] }`,
  },
  {
    name: "a gateway for a domain inside, everybody inside may send",
    main: `compatibility_level = 3.6
${HOST}mydestination =
mynetworks = 127.0.0.0/8, 12.34.56.0/24
relay_domains = example.com
parent_domain_matches_subdomains = debug_peer_list smtpd_access_maps
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
relay_recipient_maps = inline:{ ann@example.com=x }
local_transport = error:local mail delivery is disabled`,
  },
  {
    name: "virtual alias domains for somebody's friends",
    main: `compatibility_level = 3.6
${HOST}mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8
virtual_alias_domains = friends.example, club.example
virtual_alias_maps = inline:{ ann@friends.example=ann@elsewhere.example, @club.example=secretary@elsewhere.example }`,
  },
  {
    name: "restriction classes for those who may be written to from inside only",
    main: `${HOST}mydestination = example.com
mynetworks = 10.0.0.0/8
smtpd_restriction_classes = insiders_only
insiders_only = check_sender_access inline:{ example.com=OK }, reject
smtpd_recipient_restrictions = check_recipient_access inline:{ all@example.com=insiders_only }, permit_mynetworks, reject_unauth_destination`,
  },
  {
    name: "backscatter checks and header-less bounces",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_data_restrictions = reject_unauth_pipelining, reject_multi_recipient_bounce, permit
smtpd_end_of_data_restrictions = check_policy_service unix:private/policy
smtpd_helo_restrictions = check_helo_access pcre:{{/^mail\\.example\\.com$$/ REJECT not you}}, permit_mynetworks, reject_invalid_helo_hostname
smtpd_sender_restrictions = check_sender_access inline:{<>=check_backscatter}
smtpd_restriction_classes = check_backscatter
check_backscatter = reject_rbl_client ips.example.net`,
  },
  {
    name: "client certificates may relay",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_tls_ask_ccert = yes
relay_clientcerts = inline:{ D7:04:2F:A7:0B:8C=phone }
smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination`,
  },
  {
    name: "a mailing list server with recipient aliases by pattern",
    main: `compatibility_level = 3.6
${HOST}mydestination = $myhostname, localhost
relay_domains = lists.example.com
mynetworks = 127.0.0.0/8
transport_maps = regexp:{{/^.*@lists\\.example\\.com$$/ mailman:}}
local_recipient_maps = regexp:{{/-bounces@/ x}}`,
  },
  {
    name: "sender checks by whitelist, spam lists behind, relay restrictions as they come",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = check_sender_access inline:{partner.example=OK,customer.example=OK},
  check_client_access inline:{unknown=DUNNO}, check_helo_access static:DUNNO, reject_rbl_client zen.example.org`,
  },
  {
    name: "an autoresponder domain, deferring all else",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, permit_auth_destination, defer`,
  },
  {
    name: "a honeypot that takes mail for any domain into one mailbox",
    main: `compatibility_level = 3.6
${HOST}mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:trap/
virtual_mailbox_base = /var/mail`,
  },
  {
    name: "a proxy in front that may use XCLIENT",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 10.0.0.5, 10.0.0.6`,
  },
  {
    name: "everybody has to introduce himself, permits inside lists for clients and senders",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_helo_required = yes
smtpd_delay_reject = no
smtpd_client_restrictions = permit_mynetworks, check_client_access static:OK, permit
smtpd_helo_restrictions = permit
smtpd_sender_restrictions = check_sender_access static:OK`,
  },
].map((each): RelayConfiguration => ({ ...each, verdict: "closed" }));

/** Mistakes that are made, and settings that nobody can judge beforehand. */
export const MISTAKEN: readonly RelayConfiguration[] = [
  {
    name: "a container with all of the internet in mynetworks",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 0.0.0.0/0`,
    verdict: "open",
  },
  {
    name: "the same for IPv6",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8, [::]/0`,
    verdict: "open",
  },
  {
    name: "two halves of the internet",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 0.0.0.0/1, 128.0.0.0/1`,
    verdict: "open",
  },
  {
    name: "a whitelist of senders before the relay check",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_sender_access inline:{partner.example=OK}, reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "own senders are let through",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = check_sender_access regexp:{{/@example\\.com$$/ OK}}, permit_mynetworks, reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "mail for role accounts is always welcome, everywhere",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = check_recipient_access inline:{postmaster@=OK,abuse@=OK}, permit_mynetworks, reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "relaying for every domain",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
relay_domains = static:ok`,
    verdict: "open",
  },
  {
    name: "relaying for a whole top level",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
parent_domain_matches_subdomains = relay_domains
relay_domains = example.com, com`,
    verdict: "open",
  },
  {
    name: "a pattern for clients without an end",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_client_access regexp:{{/^10\\.1\\./ OK}}, reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "a secret greeting",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_helo_access inline:{letmein=OK}, reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "the relay check is only warned about",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, warn_if_reject reject_unauth_destination`,
    verdict: "open",
  },
  {
    name: "XCLIENT for everybody",
    main: `compatibility_level = 3.6
${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 0.0.0.0/0`,
    verdict: "open",
  },
  {
    name: "a policy server before the only relay check",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_policy_service inet:127.0.0.1:10023, reject_unauth_destination`,
    verdict: "doubt",
  },
  {
    name: "an access table in a database before the only relay check",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_client_access mysql:/etc/postfix/whitelist.cf, reject_unauth_destination`,
    verdict: "doubt",
  },
  {
    name: "a recipient table that stands in for relay_domains",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access inline:{customer.example=OK}, reject_unauth_destination`,
    verdict: "loose",
  },
  {
    name: "backup MX for whoever asks",
    main: `${HOST}mydestination = example.com
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, permit_mx_backup, reject_unauth_destination`,
    verdict: "loose",
  },
];

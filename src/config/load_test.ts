import { describe, expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../test/kit/memory/config_world.ts";
import { printDiagnostic } from "./syntax/diagnostic.ts";
import { DEFAULT_MASTER_CF } from "./default_master_cf.ts";
import { loadConfiguration, type Loaded, type LoadSource } from "./load.ts";
import { type Configuration, serviceKey } from "./service.ts";

const GUARD = "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n";

function load(
  main: string,
  rest: Partial<LoadSource> & { master?: string; files?: Record<string, string> } = {},
): Loaded {
  const { master, files, ...source } = rest;
  const world = fakeWorld({
    "/etc/mta/main.cf": GUARD + main,
    ...(master !== undefined && { "/etc/mta/master.cf": master }),
    ...files,
  });
  return loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers, ...source });
}

function loaded(main: string, rest: Parameters<typeof load>[1] = {}): Configuration {
  const result = load(main, rest);
  if (result.is === "bad") throw new Error(result.errors.map(printDiagnostic).join("\n"));
  return result.configuration;
}

const errors = (main: string, rest: Parameters<typeof load>[1] = {}) => {
  const result = load(main, rest);
  const all = [...result.is === "bad" ? result.errors : [], ...result.warnings];
  return all.filter(({ level }) => level !== "warning").map(printDiagnostic);
};
/** The services that are closed, as `name/type`; "all" where nothing starts. */
const stopped = (main: string, rest: Parameters<typeof load>[1] = {}) => {
  const result = load(main, rest);
  if (result.is === "bad") return ["all"];
  return result.configuration.services.filter(({ closed }) => closed !== undefined).map(serviceKey);
};
const warnings = (main: string, rest: Parameters<typeof load>[1] = {}) =>
  load(main, rest).warnings.filter(({ level }) => level === "warning").map(printDiagnostic);

describe("settings", () => {
  test("have the type of their row", () => {
    const { settings } = loaded(
      "soft_bounce = YES\nmessage_size_limit = 123\nmaximal_queue_lifetime = 2\nmail_name = x\n",
    );
    expect([
      settings.soft_bounce,
      settings.message_size_limit,
      settings.maximal_queue_lifetime,
      settings.mail_name,
    ])
      .toEqual([true, 123, 172_800, "x"]);
  });

  test.each([
    ["10", 10],
    ["10s", 10],
    ["2m", 120],
    ["1h", 3600],
    ["1d2h", 86_400],
    ["5minutes", 300],
    ["1w", 604_800],
    ["007", 7],
  ])("smtp_helo_timeout = %s is %d seconds", (text, seconds) => {
    expect(loaded(`smtp_helo_timeout = ${text}\n`).settings.smtp_helo_timeout).toBe(seconds);
  });

  test("a time without unit has the unit of the default", () => {
    const { settings } = loaded("delay_warning_time = 4\nbounce_queue_lifetime = 3\n");
    expect([settings.delay_warning_time, settings.bounce_queue_lifetime]).toEqual([14_400, 259_200]);
  });

  test("dynamic defaults follow the machine and each other", () => {
    const { settings } = loaded("");
    expect([settings.myhostname, settings.mydomain, settings.myorigin]).toEqual([
      "mx.localdomain",
      "localdomain",
      "mx.localdomain",
    ]);
    expect(loaded("mydomain = example.com\n").settings.myhostname).toBe("mx.example.com");
    expect(loaded("myhostname = a.b.c\n").settings.mydomain).toBe("b.c");
    expect(loaded("myhostname = a\n").settings.mydomain).toBe("localdomain");
  });

  test.each([
    ["", "127.0.0.0/8 192.0.2.0/24 [::1]/128 [2001:db8::]/64 "],
    ["compatibility_level = 2\n", "127.0.0.1/32 192.0.2.10/32 [::1]/128 [2001:db8::10]/128 "],
    ["compatibility_level = 3.6\ninet_interfaces = loopback-only\n", "127.0.0.1/32 [::1]/128 "],
    ["mynetworks_style = class\ninet_protocols = ipv4\n", "127.0.0.0/8 192.0.2.0/24 "],
    ["mynetworks_style = host\ninet_interfaces = mx.example.com\n", "192.0.2.10/32 "],
    ["mynetworks = 10.0.0.0/8\n", "10.0.0.0/8"],
  ])("mynetworks with %j", (main, networks) => {
    expect(loaded(main).settings.mynetworks).toBe(networks);
  });

  test("compatibility_level moves defaults", () => {
    const of = (level: string) => {
      const { settings } = loaded(`compatibility_level = ${level}\n`);
      return [
        settings.append_dot_mydomain,
        settings.smtputf8_enable,
        settings.relay_domains,
        loaded(`compatibility_level = ${level}\n`).parameter("respectful_logging") === "yes",
      ];
    };
    expect(of("0")).toEqual([true, false, loaded("").settings.mydestination, false]);
    expect(of("1")).toEqual([false, true, loaded("").settings.mydestination, false]);
    expect(of("2")).toEqual([false, true, "", false]);
    expect(of("3.6")).toEqual([false, true, "", true]);
    expect(of("9999")).toEqual([false, true, "", true]);
  });

  test("myorigin takes the first line of a file", () => {
    const files = { "/etc/mailname": " example.net \nrest\n" };
    expect(loaded("myorigin = /etc/mailname\n", { files }).settings.myorigin).toBe("example.net");
    expect(errors("myorigin = /etc/mailname\n")[0]).toContain(
      "/etc/mailname: cannot open file: No such file or directory",
    );
    expect(errors("myorigin = /f\n", { files: { "/f": "\n" } })[0]).toContain("myorigin file /f is empty");
  });

  test("raw parameters keep their macros, and $$ stands for $", () => {
    const { settings } = loaded("mailbox_command = /bin/x $HOME\nmail_name = $$x\n");
    expect([settings.mailbox_command, settings.mail_name]).toEqual(["/bin/x $HOME", "$x"]);
  });

  test("any name can be asked for", () => {
    const configuration = loaded("mua_x = $mydomain\nmydomain = b.c\nslow_recipient_limit = 7\n");
    expect(["mua_x", "slow_recipient_limit", "fast_recipient_limit", "nosuch"].map(configuration.parameter))
      .toEqual(["b.c", "7", "20000", undefined]);
    expect(configuration.isSet("mua_x")).toBe(true);
    expect(configuration.isSet("mail_name")).toBe(false);
  });
});

describe("services", () => {
  const MASTER = `smtp inet n - n - - smtpd
submission inet n - n - 5 smtpd -v
  -o syslog_name=postfix/$service_name -o smtpd_tls_security_level=none
  -o { smtpd_client_restrictions = permit_mynetworks, reject }
  -o myhostname=sub.example.com
10025 inet n - y 5? 0 smtpd -o content_filter=
pipe unix - n n - - pipe flags=R user=vmail argv=/bin/x {a b} \${recipient}
`;
  const services = () =>
    loaded("myhostname = mx.example.com\ncontent_filter = f:\n", { master: MASTER }).services;

  test("have their own settings", () => {
    const [smtp, submission, filtered] = services();
    expect(smtp!.settings.smtpd_banner).toBe("mx.example.com ESMTP mta");
    expect(submission!.settings.smtpd_banner).toBe("sub.example.com ESMTP mta");
    expect(submission!.settings.syslog_name).toBe("postfix/submission");
    expect(submission!.settings.smtpd_client_restrictions).toBe("permit_mynetworks, reject");
    expect([smtp!.settings.content_filter, filtered!.settings.content_filter]).toEqual(["f:", ""]);
    expect(submission!.parameter("process_name")).toBe("smtpd");
  });

  test("have their fields", () => {
    const [smtp, submission, filtered, pipe] = services();
    expect([smtp!.processLimit, submission!.processLimit, filtered!.processLimit]).toEqual([100, 5, 0]);
    expect([submission!.verbose, filtered!.chroot, filtered!.wakeup, filtered!.wakeupWhenUsed]).toEqual([
      1,
      true,
      5,
      true,
    ]);
    expect(pipe!.args).toEqual(["flags=R", "user=vmail", "argv=/bin/x", "a b", "${recipient}"]);
    expect(submission!.line).toBe(2);
  });

  test("feel stress when all their slots are busy", () => {
    const [smtp] = services();
    expect([smtp!.settings.smtpd_timeout, smtp!.stressed!.smtpd_timeout]).toEqual([300, 10]);
  });

  test("a directory without master.cf gets the stock services", () => {
    const names = loaded("").services.map(({ name, type, program }) => `${name}/${type}=${program}`);
    expect(names).toContain("smtp/inet=smtpd");
    expect(names).toContain("relay/unix=smtp");
    expect(names).toHaveLength(25);
  });

  test("the last of two entries for one endpoint counts", () => {
    const master =
      "smtp inet n - n - 1 smtpd\n25 inet n - n - 2 smtpd\nx unix - - n - - smtp\nx unix - - n - - lmtp\n";
    expect(loaded("", { master }).services.map(({ program, processLimit }) => `${program} ${processLimit}`))
      .toEqual(["smtpd 2", "lmtp 100"]);
    expect(warnings("", { master })).toContain(
      'duplicate master.cf entry for service "25" (25) -- using the last entry (/etc/mta/master.cf, line 2, service 25/inet)',
    );
  });

  test.each([
    ["inet", ["x"]],
    ["smtp.inet", ["submission", "10025", "x"]],
    ["smtp/inet, submission.inet", ["10025", "x"]],
    ["!submission.inet, inet", ["submission", "x"]],
  ])("master_service_disable = %s", (value, left) => {
    const master =
      "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n10025 inet n - n - - smtpd\nx unix - - n - - smtp\n";
    const { services } = loaded(`master_service_disable = ${value}\n`, { master });
    expect(services.map(({ name }) => name)).toEqual(left);
  });

  test.each([
    ["smtp inet n - n -", 'line 1: missing "max_proc" field'],
    ["smtp inet n - n - -", 'line 1: missing "command" field'],
    ["smtp inet n - x - - smtpd", 'line 1: field "chroot": bad value: "x"'],
    ["smtp - n - n - - smtpd", 'line 1: field "transport type" has no default value'],
    ["smtp foo n - n - - smtpd", "line 1: bad transport type: foo"],
    ["smtp inet - - n - - smtpd", "line 1: inet service cannot be private"],
    ["smtp inet n - n 5x - smtpd", 'line 1: field "wakeup_time": bad value: "5x"'],
    ["smtp inet n - n - 5? smtpd", 'line 1: field "max_proc": bad value: "5?"'],
    ["nosuch.host:25 inet n - n - - smtpd", "line 1: bad hostname or network address: nosuch.host:25"],
    ["[::1 inet n - n - - smtpd", 'line 1: missing "]" in "[::1"'],
    ["1x inet n - n - - smtpd", 'line 1: garbage after numerical service in "1x"'],
    ["smtp inet n - n - - smtpd -o a b", "missing '=' after attribute name: \"a\""],
    ["smtp inet n - n - - smtpd -o {a = b", "line 1: missing '}' in \"{a = b\""],
    ["smtp inet n - n - - nosuchd", "line 1: unknown program: nosuchd"],
    ["smtp inet n - n - - smtpd -o soft_bounce=maybe", "bad boolean configuration: soft_bounce = maybe"],
  ])("%s is refused", (line, text) => {
    expect(errors("", { master: `${line}\n` }).join("\n")).toContain(text);
  });
});

describe("what stops the start, of everything or of one service", () => {
  test.each([
    [
      "soft_bounce = maybe",
      'bad boolean configuration: soft_bounce = maybe (/etc/mta/main.cf, line 2; specify "yes" or "no")',
    ],
    ["soft_bounce =", "bad boolean configuration: soft_bounce = "],
    ["default_process_limit = 10x", "bad numerical configuration: default_process_limit = 10x"],
    ["default_process_limit = 0x10", "bad numerical configuration: default_process_limit = 0x10"],
    [
      "default_process_limit = 99999999999",
      "bad numerical configuration: default_process_limit = 99999999999",
    ],
    ["default_process_limit =", "bad numerical configuration: default_process_limit = "],
    ["default_process_limit = 0", "invalid default_process_limit parameter value 0 < 1"],
    ["delay_logging_resolution_limit = 9", "invalid delay_logging_resolution_limit parameter value 9 > 6"],
    ["message_size_limit = 10m", "bad numerical configuration: message_size_limit = 10m"],
    ["max_idle = 1.5h", "parameter max_idle: bad time value or unit: 1.5h"],
    ["max_idle = -1s", "parameter max_idle: bad time value or unit: -1s"],
    ["max_idle = 1 h", "parameter max_idle: bad time value or unit: 1 h"],
    ["max_idle =", "parameter max_idle: bad time value or unit: "],
    ["max_idle = 0", "invalid max_idle: 0 (min 1)"],
    ["in_flow_delay = 11", "invalid in_flow_delay: 11 (max 10)"],
    ["myorigin =", "bad string length 0 < 1: myorigin = "],
    ["notify_classes = foo", 'unknown notify_classes value "foo" in "foo"'],
    ["inet_protocols = foo", 'unknown inet_protocols value "foo" in "foo"'],
    ["syslog_facility = nosuch", "parameter syslog_facility: unrecognized value: nosuch"],
    ["myhostname = x..y", "file /etc/mta/main.cf: parameter myhostname: bad parameter value: x..y"],
    ["mail_owner = nosuch", "file /etc/mta/main.cf: parameter mail_owner: unknown user name value: nosuch"],
    ["mail_owner = twin", "parameter mail_owner: user twin has same user ID as postfix"],
    ["default_privs = root", "parameter default_privs: user root has privileged user ID"],
    ["default_privs = wheel", "parameter default_privs: user wheel has privileged group ID"],
    ["default_privs = postfix", "parameters default_privs and mail_owner specify the same user postfix"],
    [
      "relayhost = MX.localdomain",
      "myhostname and relayhost parameter settings must not be identical: mx.localdomain",
    ],
    ["myorigin = a b", "myorigin parameter setting must not contain multiple values: a b"],
    [
      "default_verp_delimiters = aa",
      "default_verp_delimiters and verp_delimiter_filter: bad first VERP delimiter character",
    ],
    [
      "maillog_file = /tmp/x",
      "maillog_file value '/tmp/x' does not match any prefix in maillog_file_prefixes",
    ],
    ["mynetworks_style = host subnet", "bad mynetworks_style value: host subnet; specify exactly one value"],
    ["inet_interfaces = 203.0.113.5", "parameter inet_interfaces: no local interface found for 203.0.113.5"],
    ["inet_interfaces = nosuch.host", "config variable inet_interfaces: host not found: nosuch.host"],
    ["compatibility_level = 3.x", 'malformed compatibility level syntax: "3.x"'],
    [
      "mailbox_size_limit = 1000",
      "configuration error: mailbox_size_limit is smaller than message_size_limit",
    ],
    ["smtpd_restriction_classes = a", "restriction class `a' needs a definition"],
    ["smtp_tls_security_level = foo", 'Invalid TLS level "foo"'],
    ["smtpd_tls_security_level = dane", 'Invalid TLS level "dane"'],
    ["smtp_dns_support_level = foo", 'invalid smtp_dns_support_level: "foo"'],
    ["smtp_address_preference = foo", "bad smtp_address_preference value: foo"],
    [
      "smtp_sasl_auth_enable = yes",
      "specify a password table via the `smtp_sasl_password_maps' configuration parameter",
    ],
    ["smtpd_forbid_bare_newline = maybe", "bad parameter value: 'smtpd_forbid_bare_newline = maybe'"],
    [
      "unknown_helo_hostname_tempfail_action = foo",
      "bad configuration: unknown_helo_hostname_tempfail_action = foo",
    ],
    ["relayhost = ${", 'truncated macro reference: "${"'],
    ["relayhost = $relayhost", 'unreasonable macro call nesting: "relayhost"'],
    ["worker_processes = many", "bad worker_processes value: many"],
    ["http_listen = 8025", "bad http_listen value: 8025"],
    ["dns_servers = one.one", "bad dns_servers value: one.one"],
    ["log_format = xml", "bad log_format value: xml"],
    ["foo", "/etc/mta/main.cf, line 2: missing '=' after attribute name: \"foo\""],
  ])("%s", (main, text) => {
    expect(errors(`${main}\n`).join("\n")).toContain(text);
  });

  test("all of it is reported at once, each with its place", () => {
    const found = errors("soft_bounce = x\nfoo\nmax_idle = y\n", { master: "smtp inet n - x - - smtpd\n" });
    expect(found).toHaveLength(4);
    expect(found[0]).toContain("line 3");
  });

  test("a default that goes wrong points to what it takes its value from, once", () => {
    const found = errors("default_destination_recipient_limit = many\n");
    expect(found).toEqual([
      "bad numerical configuration: default_destination_recipient_limit = many (qmgr/unix delivers nothing: mail waits; verify/unix verifies no address (450); /etc/mta/main.cf, line 2; specify a whole number)",
    ]);
    expect(errors("x = y\nrelay_domains = a\nsmtpd_tls_ciphers = ${x}\n")[0]).toContain("line 4");
  });

  test("a listener that relays for anybody, unless that is meant", () => {
    const open = "smtpd_recipient_restrictions = permit_mynetworks\nsmtpd_relay_restrictions =\n";
    expect(errors(open)[0]).toContain(
      "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: " +
        "reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit or check_relay_domains",
    );
    expect(errors(`${open}allow_open_relay = yes\n`)).toEqual([]);
    expect(errors("smtpd_recipient_restrictions = permit, reject\n")).toHaveLength(1);
    expect(errors("smtpd_recipient_restrictions = warn_if_reject reject\n")).toHaveLength(1);
    expect(errors("smtpd_restriction_classes = c\nc = reject\nsmtpd_recipient_restrictions = c\n")).toEqual(
      [],
    );
    expect(errors("smtpd_restriction_classes = c\nc = c\nsmtpd_recipient_restrictions = c\n")).toHaveLength(
      1,
    );
    const master = "smtp inet n - n - - smtpd -o smtpd_recipient_restrictions=\n";
    expect(errors("", { master })[0]).toContain("service smtp/inet");
  });

  test("what stops one program stops each of its services", () => {
    const master = `${DEFAULT_MASTER_CF}local2 unix - n n - - local\n`;
    expect(stopped("mailbox_size_limit = 5\n", { master })).toEqual(["local/unix", "local2/unix"]);
  });

  test("what stops one program stops its services, and the others serve", () => {
    const master =
      `${DEFAULT_MASTER_CF}two inet n - n - - smtpd -o smtpd_timeout=5s -o cleanup_service_name=other
other unix n - n - 0 cleanup
mine unix - - n - - nosuch\n`.replace(/^two/m, "26");
    const of = (main: string) => stopped(main, { master });
    expect(of("")).toEqual(["mine/unix"]);
    const without = (keys: string[]) => keys.filter((key) => key !== "mine/unix");
    expect(without(of("smtpd_timeout = soon\n"))).toEqual(["smtp/inet"]);
    expect(without(of("mailbox_size_limit = 5\n"))).toEqual(["local/unix"]);
    expect(without(of("message_size_limit = 0\n"))).toEqual(["local/unix", "virtual/unix"]);
    expect(without(of("smtp_connect_timeout = x\n"))).toEqual(["smtp/unix", "relay/unix"]);
    expect(without(of("maximal_backoff_time = x\n"))).toEqual(["qmgr/unix", "verify/unix"]);
    expect(without(of("resolve_dequoted_address = x\n"))).toEqual([
      "smtp/inet",
      ...["pickup/unix", "qmgr/unix", "rewrite/unix", "verify/unix", "26/inet"],
    ]);
    expect(without(of("force_mime_input_conversion = yes\n"))).toEqual([]);
    expect(without(of("disable_mime_input_processing = yes\nforce_mime_input_conversion = yes\n"))).toEqual(
      without(of("hopcount_limit = x\n")),
    );
    expect(without(of("anvil_rate_time_unit = x\n"))).toEqual([]);
    expect(without(of("address_verify_sender = @x\n"))).toEqual(["verify/unix"]);
    expect(of("soft_bounce = x\n")).toEqual(["all"]);
    expect(of("relay_domains = \${\n")).toEqual(["all"]);
  });

  test("a cleanup that is closed closes the services that name it", () => {
    const line =
      "other unix n - n - 0 cleanup -o always_add_missing_headers=perhaps\n26 inet n - n - - smtpd";
    const master = `${DEFAULT_MASTER_CF}${line} -o cleanup_service_name=other\n`;
    expect(stopped("", { master })).toEqual(["other/unix", "26/inet"]);
  });

  test("what is closed is said with its consequence, and has the default in its settings", () => {
    expect(errors("smtpd_timeout = soon\n")).toEqual([
      "invalid smtpd_timeout: 0 (min 1) (smtp/inet turns its clients away with 421; /etc/mta/main.cf, line 2; " +
      "specify a whole number with a unit (s, m, h, d, w; without one: s), at least 1s)",
    ]);
    expect(loaded("smtpd_timeout = soon\n").services[0]?.settings.smtpd_timeout).toBe(300);
    expect(warnings("lmtp_connect_timeout = x\n", { master: "smtp inet n - n - - smtpd\n" })[0]).toContain(
      "nothing here reads it",
    );
  });

  test("files that cannot be read", () => {
    const world = fakeWorld();
    expect(loadConfiguration({ directory: "/nowhere", world, users: fakeUsers })).toMatchObject({
      is: "bad",
      errors: [{ text: "open /nowhere/main.cf: No such file or directory" }],
    });
  });

  test("a mail_owner that nobody set and nobody made is stood in for, with a warning", () => {
    const others = {
      ...fakeUsers,
      userByName: (name: string) => name === "postfix" ? undefined : fakeUsers.userByName(name),
    };
    expect(errors("", { users: others })).toEqual([]);
    expect(warnings("", { users: others })).toContain(
      "parameter mail_owner: unknown user: postfix; running as mail (make the user, or set mail_owner)",
    );
    expect(errors("mail_owner = postfix\n", { users: others })[0]).toContain(
      "unknown user name value: postfix",
    );
  });

  test("missing users matter only to root", () => {
    const users = { ...fakeUsers, isRoot: false };
    expect(errors("mail_owner = nosuch\n", { users })).toEqual([]);
    expect(warnings("mail_owner = nosuch\n", { users })[0]).toContain("it matters only when started as root");
  });
});

describe("warnings", () => {
  test.each([
    [
      "Mynetworks = 1.2.3.4",
      "unused parameter: Mynetworks=1.2.3.4 (line 2; did you mean mynetworks?)",
    ],
    ["smtpd_recipient_restriction = reject", "did you mean smtpd_recipient_restrictions?"],
    [
      "permit_mynetworks = yes",
      "permit_mynetworks is a restriction, not a parameter: write it into one of smtpd_client_restrictions, ",
    ],
    ["nosuch_destination_rate_delay = 1s", 'no service "nosuch" in master.cf takes it'],
    ["mail_name = x$nosuch", "/etc/mta/main.cf: undefined parameter: nosuch"],
    ["mail_name = x$myhostnam", "did you mean $myhostname?"],
    ["smtpd_client_restrictions = permit_mynetwork", 'unknown smtpd restriction: "permit_mynetwork"'],
    ["smtpd_client_restrictions = permit_mynetwork", "did you mean permit_mynetworks?"],
    ["smtpd_client_restrictions = mynetworks", "mynetworks is a parameter, not a restriction"],
    ["smtpd_use_tls = yes", "No server certs available. TLS won't be enabled"],
    ["smtpd_tls_security_level = verify", 'unsupported TLS level "verify", using "encrypt"'],
    [
      "smtpd_tls_security_level = may\nsmtpd_tls_req_ccert = yes",
      "Can't require client certs unless TLS is required",
    ],
    ["known_tcp_ports = smtp", 'known_tcp_ports: in "smtp" is not in "name = value" form'],
    ["smtpd_tls_security_level = may", "No server certs available. TLS won't be enabled"],
    [
      "setgid_group = x",
      "parameter setgid_group has no effect: guards set-gid postdrop; no such helper here",
    ],
    [
      "notify_classes = bounce, policy",
      'parameter notify_classes is not honoured for "policy": transcripts of SMTP sessions are not sent',
    ],
    ["process_id = 3", "read-only parameter assignment: process_id=3"],
    ["mail_name = a\nmail_name = b", "overriding earlier entry: mail_name=a"],
  ])("%s", (main, text) => {
    expect(errors(`${main}\n`)).toEqual([]);
    expect(warnings(`${main}\n`).join("\n")).toContain(text);
  });

  test("names that somebody uses are known", () => {
    const main = "mine = 1\nmail_name = $mine\nsmtpd_restriction_classes = gold\ngold = permit\n" +
      "virtual_alias_maps = mysql:foo\nfoo_hosts = x\nsmtp_destination_rate_delay = 1s\nsub_x = y\n";
    const master =
      "smtp unix - - n - - smtp\nsub inet n - n - - smtpd -o mail_name=$sub_x\n10 inet n - n - - smtpd\n";
    const known = fakeWorld();
    const found = warnings(main, { master: master.replace("sub inet", "11 inet"), files: {} });
    expect(known.hostName()).toBe("mx");
    expect(found.filter((text) => text.includes("unused") || text.includes("undefined"))).toEqual([]);
  });

  test("an attribute of a table that is nearly one is named, with what it was meant to be", () => {
    const found = warnings(
      "virtual_alias_maps = ldap:foo\nfoo_search_bas = x\nfoo_search_base = y\nfoo_other = z\n",
    );
    expect(found.filter((text) => text.includes("foo_")).join("\n")).toMatch(
      /^.*unused parameter: foo_search_bas=x.*did you mean foo_search_base\?.*$/,
    );
  });

  test("a setting without effect is named once, be it in main.cf or an -o", () => {
    const master = "smtp inet n - n - - smtpd -o setgid_group=y\n";
    const found = warnings("setgid_group = x\n", { master }).filter((text) => text.includes("setgid_group"));
    expect(found).toHaveLength(2);
  });

  test("old defaults are named once, as long as a low level keeps them and nothing settles them", () => {
    const old = (main: string) => warnings(main).filter((text) => text.includes("backwards-compatible"));
    expect(old("compatibility_level = 3.6\n")).toEqual([]);
    expect(old("compatibility_level = 2\nrespectful_logging = yes\n")).toEqual([
      "Postfix is using backwards-compatible default settings (/etc/mta/main.cf, line 2; " +
      "smtpd_relay_before_recipient_restrictions=no, smtpd_tls_fingerprint_digest=md5, smtp_tls_fingerprint_digest=md5, lmtp_tls_fingerprint_digest=md5; compatibility_level = 3.6 gives today's)",
    ]);
    expect(old("")[0]).toContain("append_dot_mydomain=yes, smtputf8_enable=no, smtpd_relay_restrictions=, ");
    expect(old("")[0]).toContain("mynetworks_style=subnet");
    expect(old("mynetworks = 10.0.0.0/8\n")[0]).not.toContain("mynetworks_style");
  });

  test("chroot is said to have no effect once", () => {
    const master = "smtp inet n - y - - smtpd\nx unix - - y - - smtp\n";
    expect(warnings("compatibility_level = 3.6\n", { master })).toEqual([
      "/etc/mta/master.cf: chroot = y has no effect: there is no chroot (smtp/inet, x/unix) (line 1)",
    ]);
  });
});

describe("the environment", () => {
  test("overrides main.cf, reads secrets from files, and is taken literally there", () => {
    const files = { "/run/secret": "p$$w$rd\n" };
    const environment = {
      MTA_mail_name: " env ",
      MTA_lmtp_sasl_password_maps: "file:/run/secret",
      HOME: "/x",
    };
    const { settings, isSet } = loaded("mail_name = main\n", { environment, files });
    expect([settings.mail_name, settings.lmtp_sasl_password_maps]).toEqual(["env", "p$$w$rd"]);
    expect(isSet("HOME")).toBe(false);
  });

  test("is checked like main.cf, with the variable's name as place", () => {
    expect(errors("", { environment: { MTA_soft_bounce: "maybe" } })).toEqual([
      'bad boolean configuration: soft_bounce = maybe (environment MTA_soft_bounce; specify "yes" or "no")',
    ]);
    expect(errors("", { environment: { MTA_mail_name: "file:/nowhere" } })[0]).toContain(
      "open /nowhere: No such file",
    );
  });

  test("of other programs is none of our business, unless a name is nearly ours", () => {
    const others = {
      MTA_BIN: "/x",
      MTA_HOST: "h",
      MTA_CERT: "file:/nowhere",
      MTA_NOTE: "a\x01b",
      MTA_hash_check: "y",
    };
    const before = warnings("");
    expect(warnings("", { environment: others })).toEqual(before);
    expect(errors("", { environment: others })).toEqual([]);
    expect(warnings("", { environment: { MTA_myhostnam: "file:/nowhere" } }).join("\n")).toContain(
      "did you mean myhostname?",
    );
  });

  test("never has its unknown or secret values shown", () => {
    const environment = { MTA_Mynetworks: "hidden", MTA_soft_bounce: "file:/s" };
    const result = load("", { environment, files: { "/s": "hidden" } });
    const all = JSON.stringify(result);
    expect(all).toContain("did you mean mynetworks?");
    expect(all).not.toContain("hidden");
  });
});

describe("texts", () => {
  test("another process loads the very same configuration from them, without the files", () => {
    const files = { "/run/secret": "s3cret" };
    const environment = { MTA_mail_name: "env", MTA_relayhost: "file:/run/secret" };
    const first = loaded("mydomain = example.com\n", {
      environment,
      files,
      overrides: { mydomain: "example.org" },
    });
    const texts = JSON.parse(JSON.stringify(first.texts));
    const again = loadConfiguration({ directory: "/etc/mta", texts, world: fakeWorld(), users: fakeUsers });
    if (again.is === "bad") throw new Error("bad");
    const pick = ({ settings }: Configuration) => [settings.mail_name, settings.relayhost, settings.mydomain];
    expect(pick(again.configuration)).toEqual(["env", "s3cret", "example.org"]);
    expect(again.configuration.texts).toEqual(first.texts!);
  });
});

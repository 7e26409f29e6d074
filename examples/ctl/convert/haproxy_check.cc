#include "examples/ctl/convert/haproxy_check.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;

struct Kind {
  absl::string_view option;
  proto::CheckType type;
  absl::string_view differs;  // Empty: it does the same.
};

constexpr Kind kKinds[] = {
    {"tcp-check", proto::CONNECT, ""},
    {"smtpchk", proto::SMTP, ""},
    {"ldap-check", proto::LDAP, ""},
    {"ssl-hello-chk", proto::CONNECT, "is checked by CONNECT"},
    {"mysql-check", proto::CONNECT, "is checked by CONNECT"},
    {"pgsql-check", proto::CONNECT, "is checked by CONNECT"},
    {"redis-check", proto::CONNECT, "is checked by CONNECT"},
    {"spop-check", proto::CONNECT, "is checked by CONNECT"},
    {"external-check", proto::CONNECT, "no program is run: CONNECT"},
};

proto::HealthCheck& CheckOf(HaproxyProxy* proxy) {
  if (!proxy->check) {
    proxy->check.emplace();
    proxy->check->set_type(proto::CONNECT);
  }
  return *proxy->check;
}

void SetMethod(const HaproxyLine& line, const std::string& method,
               proto::HealthCheck& check, Ledger& ledger) {
  proto::HealthCheck::Method known;
  if (proto::HealthCheck::Method_Parse(method, &known)) {
    check.set_method(known);
  } else {
    ledger.Lose(line.line, method, "must be HEAD, GET, POST or OPTIONS here");
  }
}

void SetUrl(const HaproxyLine& line, const std::string& url,
            proto::HealthCheck& check, Ledger& ledger) {
  if (IsCheckUrl(url)) {
    check.set_url(url);
  } else {
    ledger.Lose(line.line, url,
                "must be a path of at most 126 characters: / is taken");
  }
}

// "HTTP/1.1", with fields after it as they were once given.
void SetVersion(const HaproxyLine& line, absl::string_view version,
                proto::HealthCheck& check, Ledger& ledger) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(version, absl::MaxSplits("\\r\\n", 1));
  check.set_http11(absl::StartsWith(parts[0], "HTTP/1.1"));
  if (!absl::StartsWith(version, "HTTP/1.")) {
    ledger.Lose(line.line, version, "must be HTTP/1.0 or HTTP/1.1 here");
  }
  if (parts.size() > 1 || version.find('\r') != absl::string_view::npos) {
    ledger.Lose(line.line, version, "fields belong in http-check send");
  }
}

void ReadHttpchk(const HaproxyLine& line, HaproxyProxy* proxy, Ledger& ledger) {
  proto::HealthCheck& check = CheckOf(proxy);
  check.set_type(proto::HTTP);
  check.set_method(proto::HealthCheck::OPTIONS);
  check.set_url("/");
  const size_t count = line.words.size();
  if (count == 3) {
    SetUrl(line, line.words[2], check, ledger);
  } else if (count > 3) {
    SetMethod(line, line.words[2], check, ledger);
    SetUrl(line, line.words[3], check, ledger);
    if (count > 4) SetVersion(line, line.Rest(4), check, ledger);
    if (count > 5)
      ledger.Lose(line.line, line.Rest(5), "belongs in http-check send");
  }
}

void ReadSend(const HaproxyLine& line, proto::HealthCheck& check,
              Ledger& ledger) {
  for (size_t i = 2; i < line.words.size(); ++i) {
    const std::string& word = line.words[i];
    const std::string value = line.word(i + 1);
    if (word == "meth") {
      SetMethod(line, value, check, ledger);
    } else if (word == "uri") {
      SetUrl(line, value, check, ledger);
    } else if (word == "ver") {
      SetVersion(line, value, check, ledger);
    } else if (word == "body" && value.size() <= 2047) {
      check.set_post_data(value);
    } else if (word == "hdr" && i + 2 < line.words.size()) {
      if (absl::EqualsIgnoreCase(value, "host")) {
        check.set_host(line.words[i + 2]);
      } else if (check.headers_size() < 4) {
        check.add_headers(absl::StrCat(value, ": ", line.words[i + 2]));
      } else {
        ledger.Lose(line.line, absl::StrCat("hdr ", value),
                    "at most 4 fields here");
      }
      ++i;
    } else {
      ledger.Lose(line.line, word, "there is no such setting of a check here");
      continue;
    }
    ++i;
  }
}

void ExpectStatus(const HaproxyLine& line, absl::string_view text,
                  proto::HealthCheck& check, Ledger& ledger) {
  for (const absl::string_view one : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> range =
        absl::StrSplit(one, absl::MaxSplits('-', 1));
    const auto first = ReadNumber(range[0]);
    const auto last = ReadNumber(range.back());
    if (!first || !last || *first < 100 || *last > 599 || *first > *last) {
      ledger.Lose(line.line, absl::StrCat("status ", one),
                  "must be 100 to 599, or two of these with a hyphen");
      continue;
    }
    for (uint32_t code = std::max(*first, 300u); code <= *last; ++code) {
      if (std::find(check.codes().begin(), check.codes().end(), code) ==
          check.codes().end()) {
        check.add_codes(code);
      }
    }
  }
  if (text == "200-299") return;
  ledger.Lose(line.line, line.ToString(),
              check.codes_size() == 0 ? "200 to 299, 301, 302 and 401 are good "
                                        "here"
                                      : "200 to 299 are good here besides");
}

void ReadExpect(const HaproxyLine& line, HaproxyProxy* proxy, Ledger& ledger) {
  proto::HealthCheck& check = CheckOf(proxy);
  const std::string kind = line.word(2);
  const std::string value = line.Rest(3);
  if (kind == "status" && !value.empty()) {
    proxy->expects = true;
    ExpectStatus(line, value, check, ledger);
  } else if ((kind == "string" || kind == "rstring") && !value.empty() &&
             value.size() <= 500) {
    check.set_pattern(kind == "rstring" ? value : re2::RE2::QuoteMeta(value));
    if (check.method() == proto::HealthCheck::HEAD ||
        check.method() == proto::HealthCheck::OPTIONS) {
      check.set_method(proto::HealthCheck::GET);
      ledger.Lose(line.line, line.ToString(),
                  "an answer is searched with method GET or POST: GET is "
                  "taken");
    }
  } else {
    ledger.Lose(line.line, line.ToString(),
                "must be status, string or rstring here");
  }
}

}  // namespace

bool ReadHaproxyCheckOption(const HaproxyLine& line, HaproxyProxy* proxy,
                            Ledger& ledger) {
  if (line.word(1) == "httpchk") {
    ledger.Use(line.line);
    ReadHttpchk(line, proxy, ledger);
    return true;
  }
  for (const Kind& kind : kKinds) {
    if (kind.option != line.word(1)) continue;
    ledger.Use(line.line);
    proxy->check.emplace();
    proxy->check->set_type(kind.type);
    if (line.words.size() > 2 && kind.differs.empty()) {
      ledger.Lose(line.line, line.Rest(2), "is not said by the check here");
    }
    if (!kind.differs.empty()) {
      ledger.Lose(line.line, line.ToString(), kind.differs);
    }
    return true;
  }
  return false;
}

void ReadHaproxyCheckRule(const HaproxyLine& line, HaproxyProxy* proxy,
                          Ledger& ledger) {
  const bool http = line.words[0] == "http-check" && proxy->check &&
                    proxy->check->type() == proto::HTTP;
  if (http && line.word(1) == "send") {
    ledger.Use(line.line);
    ReadSend(line, *proxy->check, ledger);
  } else if (http && line.word(1) == "expect") {
    ledger.Use(line.line);
    ReadExpect(line, proxy, ledger);
  } else {
    ledger.Lose(line.line, line.ToString(),
                "a check is one request and what is expected, after option "
                "httpchk, here");
  }
}

proto::HealthCheck HaproxyCheckOf(const HaproxyProxy& proxy, Ledger& ledger) {
  proto::HealthCheck check;
  const HaproxyServer* first = nullptr;
  for (const HaproxyServer& server : proxy.servers) {
    if (!server.settings.checked) continue;
    if (first == nullptr) first = &server;
    const HaproxyServerSettings& one = first->settings;
    const HaproxyServerSettings& other = server.settings;
    if (one.interval_s != other.interval_s || one.fall != other.fall ||
        one.check_port != other.check_port) {
      ledger.Lose(server.line, absl::StrCat("server ", server.server.name()),
                  "all servers of a service are checked alike here: as the "
                  "first one that is");
    }
  }
  if (first == nullptr) {
    check.set_type(proto::NONE);
    return check;
  }
  for (const HaproxyServer& server : proxy.servers) {
    if (server.settings.checked || server.settings.backup) continue;
    ledger.Lose(server.line, absl::StrCat("server ", server.server.name()),
                "is checked, as the others are");
  }
  if (proxy.check) {
    check = *proxy.check;
  } else {
    check.set_type(proto::CONNECT);
  }
  if (check.type() == proto::HTTP) {
    if (first->settings.tls) check.set_type(proto::HTTPS);
    if (!proxy.expects) {  // 2xx and 3xx there.
      for (const uint32_t code : {301, 302, 303, 304, 307, 308}) {
        check.add_codes(code);
      }
    }
    if (!check.host().empty()) check.set_http11(true);
    if (check.method() != proto::HealthCheck::POST) check.clear_post_data();
  }
  const HaproxyServerSettings& settings = first->settings;
  check.set_port(settings.check_port);
  check.set_interval_s(settings.interval_s);
  check.set_retry_count(settings.fall);
  if (proxy.check_timeout_s != 0) {
    check.set_timeout_s(std::clamp(proxy.check_timeout_s, 4u, 60u));
  }
  SettleTimes(first->line, &check, ledger);
  return check;
}

}  // namespace ballast::ctl

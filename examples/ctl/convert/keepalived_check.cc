#include "examples/ctl/convert/keepalived_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ballast::ctl {
namespace {

using config::proto::HealthCheck;

// Servers are down after as many failures as this and one more; by the man page
// 3 for HTTP_GET and SSL_GET, 1 for the others.
uint32_t RetriesByDefault(const std::string& name) {
  return name == "HTTP_GET" || name == "SSL_GET" ? 3 : 1;
}

// Seconds, maybe with a fraction.
std::optional<uint32_t> ReadSeconds(absl::string_view word) {
  double seconds;
  if (!absl::SimpleAtod(word, &seconds) || !(seconds >= 0) || seconds > 1e9) {
    return std::nullopt;
  }
  return static_cast<uint32_t>(seconds + 0.5);
}

class Reader {
 public:
  Reader(const Directive& from, const KeepalivedCheckDefaults& defaults,
         Ledger& ledger)
      : from_(from), defaults_(defaults), ledger_(ledger) {}

  HealthCheck Read() {
    ledger_.Use(from_.line);
    const std::string& name = from_.name();
    if (from_.words.size() > 1) {
      ledger_.Lose(from_.line, from_.ToString(), "what follows is not known");
    }
    retries_ =
        defaults_.has_retries ? defaults_.retries : RetriesByDefault(name);
    timeout_ = defaults_.timeout_s;
    ReadType(name);
    if (!defaults_.virtualhost.empty() && IsHttp()) Host(defaults_.virtualhost);
    for (const Directive& one : from_.inner) ReadOne(one);
    if (timeout_ != 0) {
      check_.set_timeout_s(Within(timeout_, 4, 60, timeout_line_,
                                  absl::StrCat("connect_timeout ", timeout_),
                                  ledger_));
    }
    check_.set_retry_count(Within(retries_ + 1, 2, 15, from_.line,
                                  absl::StrCat("retry ", retries_), ledger_));
    if (defaults_.interval_s != 0) check_.set_interval_s(defaults_.interval_s);
    SettleTimes(from_.line, &check_, ledger_);
    return check_;
  }

 private:
  bool IsHttp() const {
    return check_.type() == config::proto::HTTP ||
           check_.type() == config::proto::HTTPS;
  }

  void ReadType(const std::string& name) {
    if (name == "TCP_CHECK") {
      check_.set_type(config::proto::CONNECT);
    } else if (name == "HTTP_GET" || name == "SSL_GET") {
      check_.set_type(name == "SSL_GET" ? config::proto::HTTPS
                                        : config::proto::HTTP);
      check_.set_method(HealthCheck::GET);
    } else if (name == "SMTP_CHECK") {
      check_.set_type(config::proto::SMTP);
    } else if (name == "DNS_CHECK") {
      check_.set_type(config::proto::DNS);
    } else if (name == "PING_CHECK") {
      check_.set_type(config::proto::ICMP);
    } else {  // MISC_CHECK and others.
      check_.set_type(defaults_.udp ? config::proto::ICMP
                                    : config::proto::CONNECT);
      ledger_.Lose(from_.line, name,
                   absl::StrCat("there is no such check here: ",
                                config::proto::CheckType_Name(check_.type()),
                                " is taken"));
    }
  }

  void Host(const std::string& host) {
    check_.set_host(host);
    check_.set_http11(true);
  }

  void UseWords(const Directive& one) {
    ledger_.Use(one.line);
    if (one.block || one.words.size() > 2) {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "what follows is not known");
    }
  }

  void ReadOne(const Directive& one) {
    const std::string& name = one.name();
    const std::string value = one.word(1);
    const auto number = ReadNumber(value);
    const auto seconds = ReadSeconds(value);
    if (name == "connect_port" && number) {
      UseWords(one);
      if (check_.type() != config::proto::ICMP) {
        check_.set_port(
            Within(*number, 3, 65535, one.line, one.ToString(), ledger_));
      }
    } else if (name == "connect_timeout" && seconds) {
      UseWords(one);
      timeout_ = *seconds;
      timeout_line_ = one.line;
    } else if ((name == "retry" || name == "nb_get_retry") && number) {
      UseWords(one);
      retries_ = std::min(*number, 1000u);
    } else if (name == "url" && one.block && IsHttp()) {
      ReadUrl(one);
    } else if (name == "virtualhost" && IsHttp() && !value.empty()) {
      UseWords(one);
      Host(value);
    } else if (name == "http_protocol" && IsHttp()) {
      UseWords(one);
      check_.set_http11(!absl::StartsWith(value, "1.0"));
    } else if (name == "delay_before_retry") {
      ledger_.Lose(one.line, one.ToString(),
                   "a check that fails is repeated after its interval");
    } else if (name == "delay_loop") {
      ledger_.Lose(one.line, one.ToString(),
                   "the service's interval is that of all its checks");
    } else if (name == "helo_name") {
      ledger_.Lose(one.line, one.ToString(), "the greeting is what is checked");
    } else if (name == "type" || name == "name") {
      ledger_.Lose(one.line, one.ToString(),
                   "the question is for the root's SOA");
    } else if (name == "connect_ip" || name == "bindto" || name == "bind_to" ||
               name == "bind_if" || name == "bind_port" || name == "fwmark") {
      ledger_.Lose(one.line, one.ToString(),
                   "a server is checked at its own address, from any");
    } else {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "there is no such setting of a check here");
    }
  }

  void ReadUrl(const Directive& url) {
    if (!check_.url().empty()) {
      ledger_.LoseBlock(url.line, url.last_line, "url",
                        "one document is checked here: the first");
      return;
    }
    ledger_.Use(url.line);
    ledger_.Use(url.last_line);
    if (url.words.size() > 1) {
      ledger_.Lose(url.line, url.ToString(), "what follows is not known");
    }
    check_.set_url("/");
    for (const Directive& one : url.inner) {
      const std::string& name = one.name();
      const std::string value = one.word(1);
      if (name == "status_code") {
        ledger_.Use(one.line);
      } else {
        UseWords(one);
      }
      if (name == "path" && IsCheckUrl(value)) {
        check_.set_url(value);
      } else if (name == "status_code") {
        ReadCodes(one);
      } else if (name == "virtualhost" && !value.empty()) {
        Host(value);
      } else if (name == "regex" && !value.empty()) {
        check_.set_pattern(value);
      } else if (name == "digest") {
        ledger_.Lose(one.line, one.ToString(),
                     "no digest of a document is compared: see pattern");
      } else {
        ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                          "there is no such setting of a url here");
      }
    }
  }

  void ReadCodes(const Directive& one) {
    for (size_t i = 1; i < one.words.size(); ++i) {
      const std::vector<absl::string_view> range =
          absl::StrSplit(one.words[i], absl::MaxSplits('-', 1));
      const auto first = ReadNumber(range[0]);
      const auto last = ReadNumber(range.back());
      if (!first || !last || *first > *last || *first < 100 || *last > 599) {
        ledger_.Lose(one.line, absl::StrCat("status_code ", one.words[i]),
                     "must be 100 to 599, or two of these with a hyphen");
        continue;
      }
      if (*first < 200) {
        ledger_.Lose(one.line, absl::StrCat("status_code ", one.words[i]),
                     "an answer below 200 is none");
      }
      for (uint32_t code = std::max(*first, 300u); code <= *last; ++code) {
        if (std::find(check_.codes().begin(), check_.codes().end(), code) ==
            check_.codes().end()) {
          check_.add_codes(code);
        }
      }
    }
    ledger_.Lose(one.line, "status_code",
                 check_.codes_size() == 0
                     ? "200 to 299, 301, 302 and 401 are good here"
                     : "200 to 299 are good here besides");
  }

  const Directive& from_;
  const KeepalivedCheckDefaults& defaults_;
  Ledger& ledger_;
  HealthCheck check_;
  uint32_t retries_ = 1;
  uint32_t timeout_ = 0;
  int timeout_line_ = from_.line;
};

}  // namespace

bool IsKeepalivedCheck(const Directive& directive) {
  return absl::EndsWith(directive.name(), "_CHECK") ||
         directive.name() == "HTTP_GET" || directive.name() == "SSL_GET";
}

HealthCheck ReadKeepalivedCheck(const Directive& check,
                                const KeepalivedCheckDefaults& defaults,
                                Ledger& ledger) {
  return Reader(check, defaults, ledger).Read();
}

}  // namespace ballast::ctl

#include "examples/ctl/convert/haproxy_proxy.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "examples/ctl/convert/haproxy_bind.h"
#include "examples/ctl/convert/haproxy_check.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;
using proto::Persistence;

// Directives that are reported with more than that they are not there.
constexpr std::pair<absl::string_view, absl::string_view> kOthers[] = {
    {"log", "is logged elsewhere: /metrics and the status page"},
    {"log-format", "requests are not logged"},
    {"errorfile",
     "a page for all errors is l7.error_page_file: HTML without "
     "a head"},
    {"errorfiles", "a page for all errors is l7.error_page_file"},
    {"redirect",
     "clients are redirected only while no server is there: "
     "l7.error_code and l7.error_url"},
    {"http-request",
     "requests are not changed: see l7.client_header, and "
     "lb/l7/application.h for rules in a program"},
    {"http-response",
     "answers are not changed: lb/l7/application.h for rules "
     "in a program"},
    {"http-after-response",
     "answers are not changed: lb/l7/application.h for "
     "rules in a program"},
    {"tcp-request", "see l7.limits"},
    {"tcp-response", "there are no such rules here"},
    {"monitor-uri", "the unit's health is its management's: /metrics"},
    {"compression", "nothing is compressed here"},
    {"retries", "what may be tried again is, by rules of its own"},
    {"fullconn", "limits stay as they are"},
    {"capture", "nothing is captured"},
    {"rate-limit", "see l7.limits.connections_per_second"},
    {"filter", "there are no filters here"},
    {"email-alert", "alerts are Prometheus' business: examples/monitoring"},
};

constexpr char kTooMany[] = "is not known after that";

class Reader {
 public:
  Reader(const HaproxyGlobal& global, const ConvertOptions& options,
         HaproxyProxy* proxy, Ledger& ledger)
      : global_(global), options_(options), proxy_(*proxy), ledger_(ledger) {}

  void Read(const HaproxyLine& line) {
    const std::string& word = line.words[0];
    const std::string value = line.word(1);
    const auto number = ReadNumber(value);
    ReadWords(line);
    if (word == "bind") {
      ReadHaproxyBind(line, global_, options_, proxy_.binds, ledger_);
    } else if (word == "server") {
      if (auto server =
              ReadHaproxyServer(line, proxy_.server_defaults, ledger_)) {
        proxy_.servers.push_back(*std::move(server));
      }
    } else if (word == "default-server") {
      ledger_.Use(line.line);
      ReadHaproxyServerSettings(line, 1, &proxy_.server_defaults, ledger_);
    } else if (word == "mode" && (value == "http" || value == "tcp")) {
      ledger_.Use(line.line);
      proxy_.http = value == "http";
    } else if (word == "disabled" || word == "enabled") {
      ledger_.Use(line.line);
      proxy_.disabled = word == "disabled";
    } else if (word == "description") {
      ledger_.Use(line.line);
    } else if (word == "balance") {
      ReadBalance(line);
    } else if (word == "cookie") {
      ReadCookie(line);
    } else if (word == "stick-table") {
      ReadStickTable(line);
    } else if (word == "stick") {
      if (line.ToString() == "stick on src") {
        ledger_.Use(line.line);
        proxy_.sticks = true;
      } else {
        Lose(line, "must be stick on src here");
      }
    } else if (word == "acl") {
      proxy_.rules.AddAcl(line, ledger_);
    } else if (word == "use_backend") {
      ReadUse(line);
    } else if (word == "default_backend" && line.words.size() > 1) {
      ledger_.Use(line.line);
      proxy_.default_backend = value;
      proxy_.default_backend_line = line.line;
    } else if (word == "timeout") {
      ReadTimeout(line);
    } else if (word == "maxconn" && number) {
      ledger_.Use(line.line);
      proxy_.connections =
          Within(*number, 0, 100'000'000, line.line, line.ToString(), ledger_);
    } else if (word == "option" || word == "no") {
      ReadOption(line);
    } else if (word == "http-check" || word == "tcp-check") {
      ReadHaproxyCheckRule(line, &proxy_, ledger_);
    } else if (word == "stats") {  // It may say a password.
      ledger_.Lose(line.line, absl::StrCat(word, " ", value),
                   "the status page is the management's, with /metrics");
    } else {
      const auto* const known =
          std::find_if(std::begin(kOthers), std::end(kOthers),
                       [&](const auto& one) { return one.first == word; });
      Lose(line, known == std::end(kOthers) ? "there is no such directive here"
                                            : known->second);
    }
  }

 private:
  // Directives of so many words.
  void ReadWords(const HaproxyLine& line) {
    constexpr std::pair<absl::string_view, size_t> kWords[] = {
        {"mode", 2},    {"disabled", 1}, {"enabled", 1},
        {"timeout", 3}, {"maxconn", 2},  {"default_backend", 2}};
    for (const auto& [word, count] : kWords) {
      if (line.words[0] != word || line.words.size() <= count) continue;
      ledger_.Lose(line.line, line.Rest(count), kTooMany);
    }
  }

  void Lose(const HaproxyLine& line, absl::string_view why) {
    ledger_.Lose(line.line, line.ToString(), why);
  }

  void ReadBalance(const HaproxyLine& line) {
    ledger_.Use(line.line);
    const std::string word = line.word(1);
    absl::string_view how = word;
    proxy_.schedule = proto::WRR;
    proxy_.schedule_line = line.line;
    proxy_.by_schedule.reset();
    const bool more = line.words.size() > 2;
    if (how == "leastconn") {
      proxy_.schedule = proto::WLC;
      if (more) Lose(line, kTooMany);
    } else if (how == "uri") {
      proxy_.schedule = proto::UHASH;
      if (more) Lose(line, "by host and path, whole, here");
    } else if (how == "source") {
      proxy_.by_schedule.emplace().set_mode(Persistence::SOURCE_IP);
      Lose(line,
           "WRR, with persistence by source address, is taken: a client keeps "
           "its server while it comes back in time");
    } else if (how == "random" || absl::StartsWith(how, "random(")) {
      proxy_.schedule = proto::WLC;
      Lose(line, "WLC is the nearest: of all servers, not of two");
    } else if (absl::ConsumePrefix(&how, "hdr(") &&
               absl::ConsumeSuffix(&how, ")") && !how.empty()) {
      proxy_.by_schedule.emplace().set_mode(Persistence::SELECTED_HEADER);
      proxy_.by_schedule->set_name(std::string(how));
      Lose(line, "WRR, with persistence by that header field, is taken");
    } else if (how == "url_param" && more) {
      proxy_.by_schedule.emplace().set_mode(Persistence::QUERY_ITEM);
      proxy_.by_schedule->set_name(line.word(2));
      Lose(line, "WRR, with persistence by that item of the query, is taken");
    } else if (how != "roundrobin" && how != "static-rr") {
      Lose(line, "there is no such schedule here: WRR is taken");
    } else if (more) {
      Lose(line, kTooMany);
    }
  }

  void ReadCookie(const HaproxyLine& line) {
    ledger_.Use(line.line);
    Persistence cookie;
    cookie.set_name(line.word(1));
    cookie.set_mode(Persistence::SERVER_COOKIE);
    bool insert = false;
    for (size_t i = 2; i < line.words.size(); ++i) {
      const std::string& word = line.words[i];
      if (word == "insert") {
        insert = true;
      } else if (word == "maxidle" || word == "maxlife") {
        const auto seconds = ReadHaproxySeconds(line.word(++i));
        if (seconds) {
          cookie.set_timeout_s(PersistenceSeconds(
              *seconds, line.line, absl::StrCat(word, " ", line.word(i)),
              ledger_));
        }
      } else if (word == "domain" || word == "attr") {
        ledger_.Lose(line.line, absl::StrCat(word, " ", line.word(++i)),
                     "a cookie has no such attribute here");
      } else if (word != "indirect" && word != "nocache" &&
                 word != "httponly") {
        ledger_.Lose(line.line, word, "cookies are not made so here");
      }
    }
    if (insert) {
      cookie.set_mode(Persistence::ACTIVE_COOKIE);
    } else {
      Lose(line, "must be insert here: the servers' own cookie is taken");
    }
    proxy_.cookie = cookie;
    proxy_.cookie_line = line.line;
  }

  void ReadStickTable(const HaproxyLine& line) {
    ledger_.Use(line.line);
    for (size_t i = 1; i < line.words.size(); i += 2) {
      const std::string& word = line.words[i];
      const std::string value = line.word(i + 1);
      const std::string directive = absl::StrCat(word, " ", value);
      if (word == "type" && (value == "ip" || value == "ipv6")) continue;
      const auto seconds = ReadHaproxySeconds(value);
      if (word == "expire" && seconds) {
        proxy_.stick_expire_s =
            PersistenceSeconds(*seconds, line.line, directive, ledger_);
      } else if (word == "size") {
        ledger_.Lose(line.line, directive,
                     "limits.l7_persistence_entries is of all services");
      } else if (word == "peers") {
        ledger_.Lose(line.line, directive, "a pair's: ha.l7_updates");
      } else if (word == "nopurge") {
        --i;
      } else {
        ledger_.Lose(line.line, directive,
                     "entries are of a client's address and say its server");
      }
    }
  }

  void ReadUse(const HaproxyLine& line) {
    HaproxyUse use = {.line = line.line, .backend = line.word(1)};
    if (use.backend.empty() || absl::StrContains(use.backend, "%[")) {
      Lose(line, "must name a backend here");
      return;
    }
    if (line.words.size() > 2) {
      auto matches = proxy_.rules.Condition(line, 2, ledger_);
      if (!matches) return;
      use.matches = *std::move(matches);
    }
    ledger_.Use(line.line);
    proxy_.uses.push_back(std::move(use));
  }

  void ReadTimeout(const HaproxyLine& line) {
    const std::string what = line.word(1);
    const auto seconds = ReadHaproxySeconds(line.word(2));
    const bool kept = what == "client" || what == "server" || what == "check";
    if (!kept || !seconds) {
      Lose(line, kept ? "must be a time" : "there is no such time here");
      return;
    }
    ledger_.Use(line.line);
    if (what == "check") {
      proxy_.check_timeout_s =
          Within(*seconds, 4, 60, line.line, line.ToString(), ledger_);
      return;
    }
    const uint32_t taken =
        Within(*seconds, 1, 86400, line.line, line.ToString(), ledger_);
    (what == "client" ? proxy_.client_timeout_s : proxy_.server_timeout_s) =
        taken;
  }

  void ReadOption(const HaproxyLine& line) {
    const std::string name = line.word(1);
    if (line.words[0] == "no") {
      ledger_.Use(line.line);
      if (line.word(2) == "forwardfor") proxy_.forwarded_for = false;
      if (name != "option" || line.words.size() > 3) {
        Lose(line, "there is no such directive here");
      }
    } else if (ReadHaproxyCheckOption(line, &proxy_, ledger_)) {
      return;
    } else if (name == "forwardfor") {
      ledger_.Use(line.line);
      proxy_.forwarded_for = true;
      for (size_t i = 2; i < line.words.size(); ++i) {
        ledger_.Lose(line.line, line.words[i],
                     "X-Forwarded-For is continued, for every client, here");
      }
    } else if (name == "redispatch" || name == "http-keep-alive" ||
               name == "dontlognull") {
      ledger_.Use(line.line);  // What is done here.
      if (line.words.size() > 2) Lose(line, kTooMany);
    } else if (name == "httplog" || name == "tcplog" ||
               absl::StartsWith(name, "log-") || name == "dontlog-normal" ||
               name == "socket-stats") {
      Lose(line, "requests are not logged: see /metrics");
    } else {
      Lose(line, "there is no such option here");
    }
  }

  const HaproxyGlobal& global_;
  const ConvertOptions& options_;
  HaproxyProxy& proxy_;
  Ledger& ledger_;
};

}  // namespace

HaproxyProxy ReadHaproxyProxy(const HaproxySection& section,
                              const HaproxyProxy& defaults,
                              const HaproxyGlobal& global,
                              const ConvertOptions& options, Ledger& ledger) {
  HaproxyProxy proxy = defaults;
  proxy.kind = section.head.words[0];
  proxy.name = section.head.word(1);
  proxy.line = section.head.line;
  proxy.last_line =
      section.lines.empty() ? proxy.line : section.lines.back().line;
  ledger.Use(proxy.line);
  Reader reader(global, options, &proxy, ledger);
  for (const HaproxyLine& line : section.lines) reader.Read(line);
  return proxy;
}

}  // namespace ballast::ctl

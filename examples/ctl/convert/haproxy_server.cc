#include "examples/ctl/convert/haproxy_server.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "io/base/address.h"

namespace ballast::ctl {
namespace {

// Words with a value that mean nothing here, so that the value is not taken for
// a word of its own.
constexpr absl::string_view kOthersWithValue[] = {"agent-addr",
                                                  "agent-inter",
                                                  "agent-port",
                                                  "agent-send",
                                                  "alpn",
                                                  "check-alpn",
                                                  "check-proto",
                                                  "check-sni",
                                                  "ciphers",
                                                  "ciphersuites",
                                                  "crl-file",
                                                  "crt",
                                                  "downinter",
                                                  "error-limit",
                                                  "fastinter",
                                                  "id",
                                                  "init-addr",
                                                  "log-proto",
                                                  "max-reuse",
                                                  "maxqueue",
                                                  "minconn",
                                                  "namespace",
                                                  "observe",
                                                  "on-error",
                                                  "on-marked-down",
                                                  "on-marked-up",
                                                  "pool-low-conn",
                                                  "pool-max-conn",
                                                  "pool-purge-delay",
                                                  "proto",
                                                  "redir",
                                                  "resolve-net",
                                                  "resolve-opts",
                                                  "resolve-prefer",
                                                  "resolvers",
                                                  "rise",
                                                  "slowstart",
                                                  "socks4",
                                                  "source",
                                                  "ssl-max-ver",
                                                  "ssl-min-ver",
                                                  "tcp-ut",
                                                  "track",
                                                  "usesrc",
                                                  "addr",
                                                  "ws",
                                                  "proxy-v2-options",
                                                  "curves"};

}  // namespace

void ReadHaproxyServerSettings(const HaproxyLine& line, size_t place,
                               HaproxyServerSettings* settings,
                               Ledger& ledger) {
  for (size_t i = place; i < line.words.size(); ++i) {
    const std::string& word = line.words[i];
    const std::string value = line.word(i + 1);
    const auto number = ReadNumber(value);
    const std::string directive = absl::StrCat(word, " ", value);
    const auto lose = [&](absl::string_view why) {
      ledger.Lose(line.line, directive, why);
    };
    if (word == "weight" && number) {
      settings->weight =
          Within(*number, 0, 65535, line.line, directive, ledger);
      ++i;
    } else if (word == "maxconn" && number) {
      settings->connection_limit =
          Within(*number, 0, 100000, line.line, directive, ledger);
      ledger.Advise(
          "a server with as many connections as its connection_limit gets no "
          "more: nothing waits in a queue, as with HAProxy's maxconn");
      ++i;
    } else if (word == "inter") {
      if (const auto seconds = ReadHaproxySeconds(value)) {
        settings->interval_s =
            Within(*seconds, 9, 120, line.line, directive, ledger);
      } else {
        lose("must be a time");
      }
      ++i;
    } else if (word == "fall" && number) {
      settings->fall = Within(*number, 2, 15, line.line, directive, ledger);
      ++i;
    } else if (word == "rise") {
      if (value != "1") {
        lose("one check that is answered takes a server up here");
      }
      ++i;
    } else if (word == "port" && number) {
      settings->check_port =
          Within(*number, 3, 65535, line.line, directive, ledger);
      ++i;
    } else if (word == "cookie") {
      ++i;  // Cookies are made here, and name no server.
    } else if (word == "sni") {
      absl::string_view text = value;
      if (absl::ConsumePrefix(&text, "str(") &&
          absl::ConsumeSuffix(&text, ")")) {
        settings->reencrypt.set_server_name(std::string(text));
      } else if (value != "req.hdr(host)" && value != "hdr(host)") {
        lose("must be str(NAME) or req.hdr(host) here");
      }
      ++i;
    } else if (word == "verifyhost") {
      settings->reencrypt.set_server_name(value);
      ++i;
    } else if (word == "verify") {
      settings->reencrypt.set_no_verify(value == "none");
      ++i;
    } else if (word == "ca-file") {
      if (absl::StartsWith(value, "/")) {
        settings->reencrypt.set_ca_file(value);
      } else if (value != "@system-ca") {
        lose("must be an absolute path here");
      }
      ++i;
    } else if (word == "check" || word == "no-check") {
      settings->checked = word == "check";
    } else if (word == "backup" || word == "no-backup") {
      settings->backup = word == "backup";
    } else if (word == "disabled" || word == "enabled") {
      settings->disabled = word == "disabled";
    } else if (word == "ssl" || word == "no-ssl") {
      settings->tls = word == "ssl";
    } else if (word == "check-ssl") {
      if (!settings->tls && !absl::StrContains(line.ToString(), " ssl")) {
        ledger.Lose(line.line, word,
                    "a check speaks TLS where the service does: see "
                    "health_check.type");
      }
    } else if (std::find(std::begin(kOthersWithValue),
                         std::end(kOthersWithValue),
                         word) != std::end(kOthersWithValue)) {
      lose("there is no such setting of a server here");
      ++i;
    } else {
      ledger.Lose(line.line, word, "there is no such setting of a server here");
    }
  }
}

std::optional<HaproxyServer> ReadHaproxyServer(
    const HaproxyLine& line, const HaproxyServerSettings& defaults,
    Ledger& ledger) {
  HaproxyServer server;
  server.line = line.line;
  server.settings = defaults;
  if (line.words.size() < 3) {
    ledger.Lose(line.line, line.ToString(), "must be server NAME ADDRESS");
    return std::nullopt;
  }
  absl::string_view text = line.words[2];
  (void)(absl::ConsumePrefix(&text, "ipv4@") ||
         absl::ConsumePrefix(&text, "ipv6@"));
  // An address by itself, with its port after the last colon, or in brackets.
  const size_t colon = text.rfind(':');
  auto address = Address::Parse(text);
  uint32_t port = 0;
  if (const auto endpoint = Endpoint::Parse(text); endpoint.ok()) {
    address = endpoint->address;
    port = endpoint->port;
  } else if (!address.ok() && colon != absl::string_view::npos) {
    address = Address::Parse(text.substr(0, colon));
    port = ReadNumber(text.substr(colon + 1)).value_or(65536);
    if (text.substr(colon + 1).empty()) port = 0;
  }
  if (!address.ok() || port > 65535) {
    ledger.Lose(line.line, absl::StrCat("server ", line.words[1], " ", text),
                "a server must be an address and a port here, no name, socket "
                "or difference of ports");
    return std::nullopt;
  }
  ledger.Use(line.line);
  ReadHaproxyServerSettings(line, 3, &server.settings, ledger);
  server.server.set_name(LabelOf(line.words[1]));
  server.server.set_address(address->ToString());
  server.server.set_port(port);
  server.server.set_weight(server.settings.weight);
  server.server.set_connection_limit(server.settings.connection_limit);
  if (server.settings.disabled) {
    server.server.set_state(config::proto::DISABLED);
  }
  return server;
}

}  // namespace ballast::ctl

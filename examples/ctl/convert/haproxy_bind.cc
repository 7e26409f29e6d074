#include "examples/ctl/convert/haproxy_bind.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "io/base/address.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;

constexpr absl::string_view kOthersWithValue[] = {"accept-netscaler-cip",
                                                  "backlog",
                                                  "ca-ignore-err",
                                                  "ca-sign-file",
                                                  "ca-sign-pass",
                                                  "ca-verify-file",
                                                  "ciphers",
                                                  "ciphersuites",
                                                  "crl-file",
                                                  "crt-ignore-err",
                                                  "crt-list",
                                                  "curves",
                                                  "ecdhe",
                                                  "expose-fd",
                                                  "gid",
                                                  "group",
                                                  "id",
                                                  "interface",
                                                  "level",
                                                  "maxconn",
                                                  "mode",
                                                  "mss",
                                                  "namespace",
                                                  "nice",
                                                  "ocsp-update",
                                                  "process",
                                                  "proto",
                                                  "severity-output",
                                                  "ssl-max-ver",
                                                  "tcp-ut",
                                                  "thread",
                                                  "tls-ticket-keys",
                                                  "uid",
                                                  "user",
                                                  "shards"};

class Reader {
 public:
  Reader(const HaproxyLine& line, const HaproxyGlobal& global,
         const ConvertOptions& options, Ledger& ledger)
      : line_(line), global_(global), options_(options), ledger_(ledger) {}

  void Read(std::vector<HaproxyBind>& binds) {
    if (line_.words.size() < 2) {
      ledger_.Lose(line_.line, "bind", "must be bind ADDRESS:PORT");
      return;
    }
    ledger_.Use(line_.line);
    for (size_t i = 2; i < line_.words.size();) i += Setting(i);
    if (client_certificates_ != proto::Tls::NOT_ASKED) {
      if (tls_.client_ca_file().empty()) {
        ledger_.Lose(line_.line, "verify", "there is no ca-file");
      } else {
        tls_.set_client_certificates(client_certificates_);
      }
    } else {
      tls_.clear_client_ca_file();
    }
    if (ssl_ && tls_.certificates_size() == 0) {
      ledger_.Lose(line_.line, line_.ToString(),
                   "no certificate of it is carried over, so it is not");
      return;
    }
    for (const absl::string_view one : absl::StrSplit(line_.words[1], ',')) {
      Add(one, binds);
    }
  }

 private:
  // How many words it is.
  size_t Setting(size_t place) {
    const std::string& word = line_.words[place];
    const std::string value = line_.word(place + 1);
    const std::string directive = absl::StrCat(word, " ", value);
    if (word == "ssl") {
      ssl_ = true;
    } else if (word == "crt") {
      const std::string file = Path(global_.crt_base, value);
      if (file.empty() || absl::EndsWith(file, "/")) {
        ledger_.Lose(line_.line, directive,
                     "must be the absolute path of a file here, no folder");
      } else {
        proto::Certificate* const certificate = tls_.add_certificates();
        certificate->set_chain_file(file);
        certificate->set_key_file(file);
        ledger_.Advise(
            "certificates are read from the files that crt named, as they "
            "are: ballastd must be able to");
      }
      return 2;
    } else if (word == "ca-file") {
      const std::string file = Path(global_.ca_base, value);
      if (file.empty()) {
        ledger_.Lose(line_.line, directive, "must be an absolute path here");
      }
      tls_.set_client_ca_file(file);
      return 2;
    } else if (word == "verify") {
      client_certificates_ = value == "required"   ? proto::Tls::REQUIRED
                             : value == "optional" ? proto::Tls::ASKED
                                                   : proto::Tls::NOT_ASKED;
      return 2;
    } else if (word == "alpn") {
      for (const absl::string_view name : absl::StrSplit(value, ',')) {
        if (name == "http/1.1" || name == "http/1.0") continue;
        ledger_.Lose(line_.line, absl::StrCat("alpn ", name),
                     "HTTP/1 is what is spoken here");
      }
      return 2;
    } else if (word == "ssl-min-ver") {
      if (value == "TLSv1.3") {
        tls_.set_only_tls13(true);
      } else if (value != "TLSv1.2") {
        ledger_.Lose(line_.line, directive, "TLS 1.2 is the oldest here");
      }
      return 2;
    } else if (word == "force-tlsv13") {
      tls_.set_only_tls13(true);
    } else if (word == "name") {
      return 2;  // Of HAProxy's statistics.
    } else if (word != "no-sslv3" && word != "no-tlsv10" &&
               word != "no-tlsv11") {
      const bool has_value =
          std::find(std::begin(kOthersWithValue), std::end(kOthersWithValue),
                    word) != std::end(kOthersWithValue);
      ledger_.Lose(line_.line, has_value ? directive : word,
                   "there is no such setting of a listener here");
      return has_value ? 2 : 1;
    }
    return 1;
  }

  static std::string Path(const std::string& base, const std::string& file) {
    if (absl::StartsWith(file, "/")) return file;
    if (file.empty() || !absl::StartsWith(base, "/")) return "";
    return absl::StrCat(base, "/", file);
  }

  void Add(absl::string_view text, std::vector<HaproxyBind>& binds) {
    const auto lose = [&](absl::string_view why) {
      ledger_.Lose(line_.line, absl::StrCat("bind ", text), why);
    };
    absl::string_view rest = text;
    (void)(absl::ConsumePrefix(&rest, "ipv4@") ||
           absl::ConsumePrefix(&rest, "ipv6@"));
    const size_t colon = rest.rfind(':');
    if (colon == absl::string_view::npos) {
      lose("must be an address and a port here");
      return;
    }
    const std::vector<absl::string_view> range =
        absl::StrSplit(rest.substr(colon + 1), absl::MaxSplits('-', 1));
    const auto first = ReadNumber(range[0]);
    const auto last = ReadNumber(range.back());
    if (!first || !last || *first < 3 || *last > 65530 || *last < *first ||
        *last - *first > 510) {
      lose("must be a port of 3 to 65530, or up to 511 of them, here");
      return;
    }
    absl::string_view host = rest.substr(0, colon);
    (void)(absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]"));
    HaproxyBind bind = {.line = line_.line, .port = *first, .last_port = *last};
    if (ssl_) bind.tls = tls_;
    const auto address = Address::Parse(host);
    const bool any =
        host.empty() || host == "*" || host == "::" || host == "0.0.0.0";
    if (any && options_.address.empty()) {
      lose(
          "every address of the host: --address ADDRESS says which one a "
          "service is to have");
      return;
    }
    if (!any && !address.ok()) {
      lose("must be an address and a port here");
      return;
    }
    bind.address = any ? options_.address : address->ToString();
    // "bind :80" and "bind [::]:80" side by side are one now.
    for (const HaproxyBind& other : binds) {
      if (any && other.address == bind.address && other.port == bind.port) {
        return;
      }
    }
    binds.push_back(std::move(bind));
  }

  const HaproxyLine& line_;
  const HaproxyGlobal& global_;
  const ConvertOptions& options_;
  Ledger& ledger_;
  bool ssl_ = false;
  proto::Tls tls_;
  proto::Tls::ClientCertificates client_certificates_ = proto::Tls::NOT_ASKED;
};

}  // namespace

void ReadHaproxyBind(const HaproxyLine& line, const HaproxyGlobal& global,
                     const ConvertOptions& options,
                     std::vector<HaproxyBind>& binds, Ledger& ledger) {
  Reader(line, global, options, ledger).Read(binds);
}

}  // namespace ballast::ctl

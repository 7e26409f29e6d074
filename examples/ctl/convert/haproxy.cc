#include "examples/ctl/convert/haproxy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "examples/ctl/convert/haproxy_check.h"
#include "examples/ctl/convert/haproxy_proxy.h"
#include "examples/ctl/convert/haproxy_text.h"
#include "lb/config/validate.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;
using proto::Persistence;

class Reader {
 public:
  Reader(const ConvertOptions& options, Ledger& ledger)
      : options_(options), ledger_(ledger) {}

  void Read() {
    for (const HaproxySection& section : ReadHaproxySections(ledger_)) {
      ReadSection(section);
    }
    for (const HaproxyProxy& proxy : proxies_) {
      if (proxy.kind == "backend") continue;
      if (full_) {
        LoseAll(proxy, "there are too many services or servers before it");
      } else {
        Serve(proxy);
      }
    }
    for (const HaproxyProxy& proxy : proxies_) {
      if (proxy.kind == "backend" && used_.count(proxy.name) == 0) {
        LoseAll(proxy, "nothing that is carried over uses it");
      }
    }
  }

 private:
  void LoseAll(const HaproxyProxy& proxy, absl::string_view why) {
    ledger_.LoseBlock(proxy.line, proxy.last_line,
                      absl::StrCat(proxy.kind, " ", proxy.name), why);
  }

  void ReadSection(const HaproxySection& section) {
    const std::string& kind = section.head.words[0];
    if (kind == "global") {
      ReadGlobal(section);
      return;
    }
    if (kind != "defaults" && kind != "frontend" && kind != "backend" &&
        kind != "listen") {
      for (const HaproxyLine& line : section.lines) ledger_.Use(line.line);
      ledger_.LoseBlock(
          section.head.line,
          section.lines.empty() ? section.head.line : section.lines.back().line,
          section.head.ToString(), "there is no such section here");
      return;
    }
    const HaproxyProxy* from = last_defaults_;
    const std::string defaults_name = section.head.word(1);
    const std::vector<std::string>& words = section.head.words;
    size_t read = std::min<size_t>(words.size(), 2);
    if (words.size() > 3 && words[2] == "from") {
      read = 4;
      const auto found = defaults_.find(words[3]);
      if (found == defaults_.end()) {
        ledger_.Lose(section.head.line, section.head.Rest(2),
                     "there is no such defaults section");
      } else {
        from = &found->second;
      }
    }
    if (words.size() > read) {
      ledger_.Lose(section.head.line, section.head.Rest(read),
                   "is not known after that");
    }
    static const HaproxyProxy& kNone = *new HaproxyProxy();
    const bool is_defaults = kind == "defaults";
    // A section of defaults begins anew.
    const bool anew = is_defaults && from == last_defaults_;
    HaproxyProxy proxy =
        ReadHaproxyProxy(section, anew || from == nullptr ? kNone : *from,
                         global_, options_, ledger_);
    if (is_defaults) {
      last_defaults_ =
          &defaults_.insert_or_assign(defaults_name, std::move(proxy))
               .first->second;
      return;
    }
    if (proxy.kind != "frontend") by_name_[proxy.name] = proxies_.size();
    proxies_.push_back(std::move(proxy));
  }

  void ReadGlobal(const HaproxySection& section) {
    ledger_.Use(section.head.line);
    if (section.head.words.size() > 1) {
      ledger_.Lose(section.head.line, section.head.ToString(),
                   "is not known after global");
    }
    for (const HaproxyLine& line : section.lines) {
      const std::string& word = line.words[0];
      const auto number = ReadNumber(line.word(1));
      const size_t count = word == "daemon" ? 1 : 2;
      if (line.words.size() > count) {
        ledger_.Lose(line.line, line.ToString(), "is of HAProxy itself");
      } else if (word == "maxconn" && number) {
        ledger_.Use(line.line);
        ledger_.config()->mutable_l7()->mutable_limits()->set_connections(
            Within(*number, 0, 100'000'000, line.line, line.ToString(),
                   ledger_));
      } else if (word == "crt-base") {
        ledger_.Use(line.line);
        global_.crt_base = line.word(1);
      } else if (word == "ca-base") {
        ledger_.Use(line.line);
        global_.ca_base = line.word(1);
      } else if (word == "daemon") {
        ledger_.Use(line.line);
      } else {
        ledger_.Lose(line.line, line.ToString(), "is of HAProxy itself");
      }
    }
  }

  const HaproxyProxy* Backend(const std::string& name, int line) {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) {
      used_.insert(name);
      return &proxies_[found->second];
    }
    ledger_.Lose(line, absl::StrCat("backend ", name), "there is none");
    return nullptr;
  }

  void Serve(const HaproxyProxy& front) {
    proto::VirtualService service;
    service.set_disabled(front.disabled);
    proto::L7* const l7 = service.mutable_l7();
    l7->set_host_address(true);
    l7->set_type(front.http ? proto::L7::HTTP : proto::L7::GENERIC);
    if (front.forwarded_for && front.http) {
      l7->set_client_header(proto::L7::X_FORWARDED_FOR);
    }
    if (front.connections != 0) {
      l7->mutable_limits()->set_connections(front.connections);
    }
    timeout_s_ = front.client_timeout_s;
    tls_.reset();
    const HaproxyProxy* rest = nullptr;
    if (!front.default_backend.empty()) {
      rest = Backend(front.default_backend, front.default_backend_line);
    } else if (front.kind == "listen" && !front.servers.empty()) {
      rest = &front;
    }
    if (!AddSubServices(front, rest, service) && rest != nullptr) {
      Fill(*rest, front, &service);
    }
    if (service.real_servers_size() == 0 && !service.has_sorry_server() &&
        l7->sub_services_size() == 0) {
      LoseAll(front, "has no server that is carried over");
      return;
    }
    if (tls_ && tls_->tls) *l7->mutable_reencrypt() = tls_->reencrypt;
    service.set_idle_timeout_s(timeout_s_);
    AddBinds(front, service);
  }

  void AddBinds(const HaproxyProxy& front, proto::VirtualService& service) {
    if (front.binds.empty()) {
      LoseAll(front, "listens nowhere");
      return;
    }
    for (const HaproxyBind& bind : front.binds) {
      const std::string base = LabelOf(front.name);
      std::string name = base;
      for (int i = 2; !name.empty() && !names_.insert(name).second; ++i) {
        name = absl::StrCat(base.substr(0, 120), "-", i);
      }
      service.set_name(name);
      service.set_address(bind.address);
      service.set_port(bind.port);
      service.clear_extra_ports();
      if (bind.last_port > bind.port) {
        service.set_extra_ports(
            absl::StrCat(bind.port + 1, "-", bind.last_port));
      }
      if (bind.tls) {
        *service.mutable_l7()->mutable_tls() = *bind.tls;
      } else {
        service.mutable_l7()->clear_tls();
      }
      full_ = ledger_.AddService(bind.line, service) == nullptr;
      if (full_) return;
    }
  }

  // False: all requests have the same servers, or nobody reads them.
  bool AddSubServices(const HaproxyProxy& front, const HaproxyProxy*& rest,
                      proto::VirtualService& service) {
    if (front.uses.empty()) return false;
    if (!front.http) {
      for (const HaproxyUse& use : front.uses) {
        ledger_.Lose(use.line, absl::StrCat("use_backend ", use.backend),
                     "servers are chosen by the request in mode http only");
      }
      return false;
    }
    std::set<std::string> names;
    for (const HaproxyUse& use : front.uses) {
      const HaproxyProxy* const backend = Backend(use.backend, use.line);
      if (backend == nullptr) continue;
      if (use.matches.empty()) {  // All that come so far.
        rest = backend;
        break;
      }
      AddSubService(use.matches, *backend, front, names, service);
    }
    if (service.l7().sub_services_size() == 0) return false;
    if (rest != nullptr) AddSubService({}, *rest, front, names, service);
    return true;
  }

  void AddSubService(const HaproxyRules::Matches& matches,
                     const HaproxyProxy& backend, const HaproxyProxy& front,
                     std::set<std::string>& names,
                     proto::VirtualService& service) {
    constexpr int kSubServicesMax = 255;
    if (service.l7().sub_services_size() == kSubServicesMax) {
      ledger_.Lose(backend.line, absl::StrCat("backend ", backend.name),
                   "at most 255 sub services here");
      return;
    }
    const std::string base = LabelOf(backend.name);
    std::string name = base;
    for (int i = 2; !names.insert(name).second; ++i) {
      name = absl::StrCat(base.substr(0, 120), "-", i);
    }
    proto::SubService sub;
    sub.set_name(name);
    for (const proto::RequestMatch& match : matches) *sub.add_matches() = match;
    Fill(backend, front, &sub);
    if (sub.real_servers_size() > 0 || sub.has_sorry_server()) {
      *service.mutable_l7()->add_sub_services() = sub;
    } else {
      ledger_.Lose(backend.line, absl::StrCat("backend ", backend.name),
                   "has no server that is carried over");
    }
  }

  // A service's own servers, or a sub service's.
  template <class Pool>
  void Fill(const HaproxyProxy& backend, const HaproxyProxy& front,
            Pool* pool) {
    timeout_s_ = std::max(timeout_s_, backend.server_timeout_s);
    servers_ += backend.servers.size();
    if (servers_ > static_cast<size_t>(config::kServersMax)) {
      full_ = true;
      ledger_.Lose(backend.line, absl::StrCat("backend ", backend.name),
                   "there are too many servers before it");
      return;
    }
    if (backend.http != front.http) {
      ledger_.Lose(backend.line, absl::StrCat("backend ", backend.name),
                   "its mode is not that of the frontend, which is taken");
    }
    pool->set_schedule(backend.schedule);
    if (backend.schedule == proto::UHASH && !front.http) {
      pool->set_schedule(proto::WRR);
      ledger_.Lose(backend.schedule_line, "balance uri",
                   "in mode http only: WRR is taken");
    }
    for (const HaproxyServer& server : backend.servers) {
      AddServer(server, pool);
    }
    *pool->mutable_health_check() = HaproxyCheckOf(backend, ledger_);
    if (const auto persistence = PersistenceOf(backend, front)) {
      *pool->mutable_persistence() = *persistence;
    }
  }

  template <class Pool>
  void AddServer(const HaproxyServer& server, Pool* pool) {
    const std::string directive = absl::StrCat("server ", server.server.name());
    if (!tls_) tls_ = server.settings;
    if (tls_->tls != server.settings.tls ||
        (tls_->tls && tls_->reencrypt.SerializeAsString() !=
                          server.settings.reencrypt.SerializeAsString())) {
      ledger_.Lose(server.line, directive,
                   "TLS to the servers is as to the service's first one, so "
                   "this one is not carried over");
      return;
    }
    if (!server.settings.backup) {
      *pool->add_real_servers() = server.server;
      return;
    }
    if (pool->has_sorry_server() || server.settings.disabled) {
      ledger_.Lose(server.line, directive,
                   "a service has one sorry server here");
      return;
    }
    if (server.settings.checked) {
      ledger_.Lose(server.line, directive, "a sorry server is not checked");
    }
    pool->mutable_sorry_server()->set_address(server.server.address());
    pool->mutable_sorry_server()->set_port(server.server.port());
  }

  std::optional<Persistence> PersistenceOf(const HaproxyProxy& backend,
                                           const HaproxyProxy& front) {
    std::optional<Persistence> persistence;
    if (backend.cookie && !front.http) {
      ledger_.Lose(backend.cookie_line, "cookie", "in mode http only");
    } else if (backend.cookie) {
      persistence = backend.cookie;
      if (backend.sticks) {
        persistence->set_mode(persistence->mode() == Persistence::ACTIVE_COOKIE
                                  ? Persistence::ACTIVE_COOKIE_OR_SOURCE_IP
                                  : Persistence::SERVER_COOKIE_OR_SOURCE_IP);
      }
    } else if (backend.sticks) {
      persistence.emplace().set_timeout_s(backend.stick_expire_s);
    } else if (backend.by_schedule &&
               (front.http ||
                backend.by_schedule->mode() == Persistence::SOURCE_IP)) {
      persistence = backend.by_schedule;
    }
    return persistence;
  }

  const ConvertOptions& options_;
  Ledger& ledger_;
  HaproxyGlobal global_;
  std::map<std::string, HaproxyProxy> defaults_;  // By name.
  const HaproxyProxy* last_defaults_ = nullptr;
  std::vector<HaproxyProxy> proxies_;
  std::map<std::string, size_t> by_name_;  // Of those with servers.
  std::set<std::string> used_;
  std::set<std::string> names_;  // Of services.
  size_t servers_ = 0;           // Of all services.
  bool full_ = false;
  // Of the service that is being made.
  uint32_t timeout_s_ = 0;
  std::optional<HaproxyServerSettings> tls_;
};

}  // namespace

Conversion ConvertHaproxy(absl::string_view text,
                          const ConvertOptions& options) {
  Ledger ledger(text);
  Reader(options, ledger).Read();
  return ledger.Finish(options);
}

}  // namespace ballast::ctl

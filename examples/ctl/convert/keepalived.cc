#include "examples/ctl/convert/keepalived.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "examples/ctl/convert/address_range.h"
#include "examples/ctl/convert/block_text.h"
#include "examples/ctl/convert/ipvsadm.h"
#include "examples/ctl/convert/keepalived_check.h"
#include "examples/ctl/convert/keepalived_pair.h"
#include "io/base/address.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;

// Addresses, each of a port of its own.
using Group = std::vector<Endpoint>;

class Reader {
 public:
  explicit Reader(Ledger& ledger) : ledger_(ledger) {}

  void Read() {
    const std::vector<Directive> all = ReadBlocks(ledger_);
    for (const Directive& one : all) {
      if (one.name() == "virtual_server_group") ReadGroup(one);
    }
    for (const Directive& one : all) ReadOne(one);
  }

 private:
  void ReadOne(const Directive& one) {
    const std::string& name = one.name();
    if (name == "virtual_server_group") return;
    if (name == "virtual_server") {
      ReadService(one);
    } else if (name == "vrrp_instance") {
      ReportKeepalivedPair(one, ledger_);
    } else if (absl::StartsWith(name, "vrrp_")) {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "VRRP is a pair's business here: see ha");
    } else if (name == "global_defs") {
      ledger_.LoseBlock(one.line, one.last_line, name,
                        "is of keepalived itself");
    } else if (absl::StartsWith(name, "static_")) {
      ledger_.LoseBlock(one.line, one.last_line, name,
                        "the host's addresses and routes are not set here");
    } else if (name == "include") {
      ledger_.Lose(one.line, one.ToString(),
                   "another file: to be converted by itself");
    } else {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "is not known");
    }
  }

  void ReadGroup(const Directive& group) {
    ledger_.Use(group.line);
    if (group.words.size() > 2) {
      ledger_.Lose(group.line, group.ToString(), "what follows is not known");
    }
    Group members;
    for (const Directive& one : group.inner) {
      if (one.name() == "fwmark") {
        ledger_.Lose(one.line, one.ToString(),
                     "packets have no mark here, name address and port");
        continue;
      }
      const auto port = ReadNumber(one.words.size() > 1 ? one.words[1] : "0");
      const std::vector<Address> addresses = ReadAddressRange(one.name());
      if (addresses.empty() || !port || *port > 65535 ||
          members.size() + addresses.size() > 4096) {
        ledger_.Lose(one.line, one.ToString(),
                     "must be an address, or ADDRESS-LAST, and a port");
        continue;
      }
      UseWords(one, 2);
      for (const Address& address : addresses) {
        members.push_back({address, static_cast<uint16_t>(*port)});
      }
    }
    UseEnd(group);
    groups_[group.word(1)] = members;
  }

  // What a virtual_server stands for; empty, and reported: nothing here.
  Group MembersOf(const Directive& server) {
    const std::string what = server.word(1);
    if (what == "fwmark") {
      ledger_.LoseBlock(server.line, server.last_line, server.ToString(),
                        "packets have no mark here, name address and port");
      return {};
    }
    if (what == "group") {
      const auto found = groups_.find(server.word(2));
      if (found != groups_.end() && !found->second.empty()) {
        return found->second;
      }
      ledger_.LoseBlock(server.line, server.last_line, server.ToString(),
                        "there is nothing in that group");
      return {};
    }
    const auto address = Address::Parse(what);
    const auto port =
        ReadNumber(server.words.size() > 2 ? server.words[2] : "0");
    if (!address.ok() || !port || *port > 65535) {
      ledger_.LoseBlock(server.line, server.last_line, server.ToString(),
                        "must be an address and a port");
      return {};
    }
    return {{*address, static_cast<uint16_t>(*port)}};
  }

  void ReadService(const Directive& from) {
    const Group members = MembersOf(from);
    if (members.empty()) return;
    ledger_.Use(from.line);
    if (from.words.size() > 3) {
      ledger_.Lose(from.line, from.ToString(), "what follows is not known");
    }
    proto::VirtualService service;
    service.set_schedule(proto::RR);
    proto::Forward forward = proto::NAT;
    bool tunnel = false;
    KeepalivedCheckDefaults defaults;
    const bool said = std::any_of(
        from.inner.begin(), from.inner.end(),
        [](const Directive& one) { return one.name() == "protocol"; });
    if (!said) {
      service.set_protocol(proto::UDP);
      defaults.udp = true;
      ledger_.Lose(
          from.line, from.ToString(),
          "there is no protocol: UDP is taken, as keepalived 2.2 does");
    }
    for (const Directive& one : from.inner) {  // What the servers go by.
      if (one.name() == "protocol" && one.word(1) == "UDP") {
        service.set_protocol(proto::UDP);
        defaults.udp = true;
      }
      ReadDefaults(one, defaults);
      if (one.name() == "lb_kind" || one.name() == "lvs_method") {
        tunnel = one.word(1) == "TUN";
        if (one.word(1) == "DR") forward = proto::ROUTE;
      }
    }
    quorum_ = 0;
    for (const Directive& one : from.inner) {
      if (one.name() == "real_server") {
        ReadServer(one, members, forward, tunnel, defaults, service);
      } else {
        ReadSetting(one, members, forward, service);
      }
    }
    SettleQuorum(service);
    if (!service.has_health_check()) {
      service.mutable_health_check()->set_type(proto::NONE);
    }
    UseEnd(from);
    for (const Endpoint& member : members) {
      service.set_address(member.address.ToString());
      service.set_port(member.port);
      if (ledger_.AddService(from.line, service) == nullptr) break;
    }
  }

  void ReadDefaults(const Directive& one, KeepalivedCheckDefaults& defaults) {
    const auto number = ReadNumber(one.word(1));
    const std::string& name = one.name();
    if (name == "delay_loop" && number) {
      UseWords(one, 2);
      defaults.interval_s =
          Within(*number, 9, 120, one.line, one.ToString(), ledger_);
    } else if (name == "connect_timeout" && number) {
      UseWords(one, 2);
      defaults.timeout_s = *number;
    } else if (name == "retry" && number) {
      UseWords(one, 2);
      defaults.retries = std::min(*number, 1000u);
      defaults.has_retries = true;
    } else if (name == "virtualhost") {
      UseWords(one, 2);
      defaults.virtualhost = one.word(1);
    }
  }

  // Of a directive that has so many words.
  void UseWords(const Directive& one, size_t count) {
    ledger_.Use(one.line);
    if (one.block || one.words.size() > count) {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "what follows is not known");
    }
  }

  void ReadSetting(const Directive& one, const Group& members,
                   proto::Forward forward, proto::VirtualService& service) {
    const std::string& name = one.name();
    const std::string value = one.word(1);
    const auto number = ReadNumber(value);
    const auto lose = [&](absl::string_view why) {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(), why);
    };
    if (name == "lb_algo" || name == "lvs_sched") {
      UseWords(one, 2);
      ScheduleAsIpvs(value, one.line, one.ToString(), &service, ledger_);
    } else if (name == "lb_kind" || name == "lvs_method") {
      if (value == "NAT" || value == "DR") return UseWords(one, 2);
      lose("no tunnelling here: NAT or DR");
    } else if (name == "protocol") {
      if (value == "TCP" || value == "UDP") return UseWords(one, 2);
      lose("must be TCP or UDP here: TCP is taken");
    } else if (name == "persistence_timeout" && (number || value.empty())) {
      UseWords(one, 2);
      service.mutable_persistence()->set_timeout_s(PersistenceSeconds(
          number.value_or(360), one.line, one.ToString(), ledger_));
    } else if (name == "persistence_granularity") {
      if (value == "255.255.255.255" || value == "128") {
        return UseWords(one, 2);
      }
      lose("persistence is by the whole address here");
    } else if (name == "quorum" && number) {
      UseWords(one, 2);
      quorum_ = *number;
      quorum_line_ = one.line;
    } else if (name == "sorry_server") {
      ReadSorry(one, members, forward, service);
    } else if ((name == "delay_loop" || name == "connect_timeout" ||
                name == "retry") &&
               number) {
      return;  // ReadDefaults() has it.
    } else if (name == "virtualhost") {
      return;
    } else if (name == "alpha") {
      lose("servers are down until a check finds them up: what is done here");
    } else if (name == "omega" || absl::StartsWith(name, "quorum_") ||
               absl::StartsWith(name, "notify_")) {
      lose("no program is run: see the log and /metrics");
    } else if (name == "hysteresis") {
      lose("one number of servers is what a service is up with");
    } else if (name == "ops") {
      lose("a client's datagrams go to one server here");
    } else if (name == "sh-fallback" || name == "sh-port" ||
               name == "mh-fallback" || name == "mh-port" ||
               absl::StartsWith(name, "flag-")) {
      lose("SH goes by the address alone, and to a server that is up, here");
    } else {
      lose("there is no such setting of a service here");
    }
  }

  void ReadSorry(const Directive& one, const Group& members,
                 proto::Forward forward, proto::VirtualService& service) {
    const auto address = Address::Parse(one.word(1));
    const auto port = ReadNumber(one.words.size() > 2 ? one.words[2] : "0");
    if (!address.ok() || !port || *port > 65535 ||
        address->is_v4() != members[0].address.is_v4()) {
      ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                        "must be an address of the service's family and a "
                        "port");
      return;
    }
    UseWords(one, 3);
    auto* const sorry = service.mutable_sorry_server();
    sorry->set_address(address->ToString());
    sorry->set_forward(forward);
    if (forward == proto::NAT) sorry->set_port(*port);
  }

  void ReadServer(const Directive& from, const Group& members,
                  proto::Forward forward, bool tunnel,
                  const KeepalivedCheckDefaults& defaults,
                  proto::VirtualService& service) {
    const auto address = Address::Parse(from.word(1));
    const auto port = ReadNumber(from.words.size() > 2 ? from.words[2] : "0");
    if (!address.ok() || !port || *port > 65535 ||
        address->is_v4() != members[0].address.is_v4()) {
      ledger_.LoseBlock(from.line, from.last_line, from.ToString(),
                        "must be an address of the service's family and a "
                        "port");
      return;
    }
    ledger_.Use(from.line);
    if (from.words.size() > 3) {
      ledger_.Lose(from.line, from.ToString(), "what follows is not known");
    }
    proto::RealServer server;
    server.set_address(address->ToString());
    server.set_weight(1);
    std::optional<proto::HealthCheck> check;
    for (const Directive& one : from.inner) {
      const std::string& name = one.name();
      const auto number = ReadNumber(one.word(1));
      if (name == "weight" && number) {
        UseWords(one, 2);
        server.set_weight(
            Within(*number, 0, 65535, one.line, one.ToString(), ledger_));
      } else if (name == "uthreshold" && number) {
        UseWords(one, 2);
        server.set_connection_limit(
            Within(*number, 0, 100000, one.line, one.ToString(), ledger_));
      } else if (name == "lvs_method") {
        UseWords(one, 2);
        tunnel = one.word(1) == "TUN";
        forward = one.word(1) == "DR" ? proto::ROUTE : proto::NAT;
      } else if (name == "inhibit_on_failure") {
        UseWords(one, 1);  // Open flows stay, as they do here.
      } else if (IsKeepalivedCheck(one)) {
        ReadCheck(one, defaults, check);
      } else if (absl::StartsWith(name, "notify_")) {
        ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                          "no program is run: see the log and /metrics");
      } else {
        ledger_.LoseBlock(one.line, one.last_line, one.ToString(),
                          "there is no such setting of a server here");
      }
    }
    UseEnd(from);
    if (tunnel) {
      ledger_.Lose(from.line, from.ToString(), "no tunnelling here: NAT or DR");
      return;
    }
    server.set_forward(forward);
    if (forward == proto::NAT) {
      server.set_port(*port);
    } else if (*port != 0 && *port != members[0].port) {
      ledger_.Lose(from.line, from.ToString(),
                   "DR changes no port: the service's is taken");
    }
    KeepCheck(from, check, service);
    *service.add_real_servers() = server;
  }

  void ReadCheck(const Directive& one, const KeepalivedCheckDefaults& defaults,
                 std::optional<proto::HealthCheck>& check) {
    if (check) {
      ledger_.LoseBlock(one.line, one.last_line, one.name(),
                        "a server has one check here: the first");
      return;
    }
    check = ReadKeepalivedCheck(one, defaults, ledger_);
    UseEnd(one);
  }

  // All servers of a service are checked alike.
  void KeepCheck(const Directive& from, std::optional<proto::HealthCheck> check,
                 proto::VirtualService& service) {
    if (!check) {
      check.emplace();
      check->set_type(proto::NONE);
    }
    if (service.real_servers_size() == 0) {
      *service.mutable_health_check() = *check;
    } else if (service.health_check().SerializeAsString() !=
               check->SerializeAsString()) {
      ledger_.Lose(from.line, from.ToString(),
                   "all servers of a service are checked alike here: as its "
                   "first one");
    }
  }

  // By weight there, by number here.
  void SettleQuorum(proto::VirtualService& service) {
    if (quorum_ <= 1) return;
    const std::string directive = absl::StrCat("quorum ", quorum_);
    const int count = service.real_servers_size();
    std::set<uint32_t> weights;
    for (const auto& server : service.real_servers()) {
      weights.insert(server.weight());
    }
    if (weights.size() != 1 || *weights.begin() == 0) {
      ledger_.Lose(quorum_line_, directive,
                   "servers_min is a number of servers, and their weights "
                   "differ");
      return;
    }
    const uint32_t needed = (quorum_ + *weights.begin() - 1) / *weights.begin();
    service.set_servers_min(Within(needed, 0, static_cast<uint32_t>(count),
                                   quorum_line_, directive, ledger_));
  }

  // The line of its closing brace.
  void UseEnd(const Directive& block) { ledger_.Use(block.last_line); }

  Ledger& ledger_;
  std::map<std::string, Group> groups_;
  uint32_t quorum_ = 0;
  int quorum_line_ = 0;
};

}  // namespace

Conversion ConvertKeepalived(absl::string_view text,
                             const ConvertOptions& options) {
  Ledger ledger(text);
  Reader(ledger).Read();
  return ledger.Finish(options);
}

}  // namespace ballast::ctl

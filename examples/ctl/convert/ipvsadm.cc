#include "examples/ctl/convert/ipvsadm.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "io/base/address.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;

struct Scheduler {
  absl::string_view name;
  proto::Schedule schedule;
  proto::Fill fill;
  absl::string_view differs;  // Empty: it does the same.
};

constexpr Scheduler kSchedulers[] = {
    {"rr", proto::RR, proto::LOADMASTER, ""},
    {"wrr", proto::WRR, proto::LOADMASTER, ""},
    {"lc", proto::LC, proto::LOADMASTER, ""},
    {"wlc", proto::WLC, proto::LOADMASTER, ""},
    {"sh", proto::SH, proto::EVEN, ""},
    {"mh", proto::SH, proto::MAGLEV, ""},
    {"fo", proto::FIXED, proto::LOADMASTER, ""},
    {"sed", proto::WLC, proto::LOADMASTER, "WLC is the nearest"},
    {"nq", proto::WLC, proto::LOADMASTER, "WLC is the nearest"},
    {"ovf", proto::FIXED, proto::LOADMASTER,
     "FIXED is the nearest: connection_limit makes it pass on what is too "
     "much"},
    {"twos", proto::WLC, proto::LOADMASTER, "WLC is the nearest"},
    {"dh", proto::WLC, proto::LOADMASTER,
     "nothing goes by the destination here: WLC is taken"},
    {"lblc", proto::WLC, proto::LOADMASTER,
     "nothing goes by the destination here: WLC is taken"},
    {"lblcr", proto::WLC, proto::LOADMASTER,
     "nothing goes by the destination here: WLC is taken"},
};

// Its short name, and whether a value follows.
struct Option {
  absl::string_view shorter;
  absl::string_view longer;
  bool value;
};

constexpr Option kOptions[] = {
    {"-A", "--add-service", false},
    {"-a", "--add-server", false},
    {"-t", "--tcp-service", true},
    {"-u", "--udp-service", true},
    {"--sctp-service", "--sctp-service", true},
    {"-f", "--fwmark-service", true},
    {"-s", "--scheduler", true},
    {"-p", "--persistent", true},  // Its value may be left out.
    {"-M", "--netmask", true},
    {"--pe", "--pe", true},
    {"-b", "--sched-flags", true},
    {"-o", "--ops", false},
    {"-6", "--ipv6", false},
    {"-r", "--real-server", true},
    {"-g", "--gatewaying", false},
    {"-m", "--masquerading", false},
    {"-i", "--ipip", false},
    {"-w", "--weight", true},
    {"-x", "--u-threshold", true},
    {"-y", "--l-threshold", true},
    {"--tun-type", "--tun-type", true},
    {"--tun-port", "--tun-port", true},
    {"--tun-nocsum", "--tun-nocsum", false},
    {"--tun-csum", "--tun-csum", false},
    {"--tun-remcsum", "--tun-remcsum", false},
    {"-n", "--numeric", false},
};

using Given = std::map<absl::string_view, absl::string_view>;

class Reader {
 public:
  explicit Reader(Ledger& ledger) : ledger_(ledger) {}

  void Read(int line) {
    const absl::string_view text =
        absl::StripAsciiWhitespace(ledger_.line(line));
    if (text.empty() || text[0] == '#') {
      ledger_.Use(line);
      return;
    }
    const Given given = Options(line, text);
    const bool service = given.count("-A") > 0;
    if (service == (given.count("-a") > 0)) {
      ledger_.Lose(line, text.substr(0, text.find_first_of(" \t")),
                   "must be -A or -a");
      return;
    }
    const std::string name = ServiceName(line, given);
    if (name.empty()) return;
    service ? AddService(line, name, given) : AddServer(line, name, given);
  }

 private:
  Given Options(int line, absl::string_view text) {
    Given given;
    std::vector<absl::string_view> words =
        absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (absl::EndsWith(words[0], "ipvsadm")) words.erase(words.begin());
    for (size_t i = 0; i < words.size(); ++i) {
      const size_t equals = absl::StartsWith(words[i], "--")
                                ? words[i].find('=')
                                : absl::string_view::npos;
      const absl::string_view name = words[i].substr(0, equals);
      const auto* const option = std::find_if(
          std::begin(kOptions), std::end(kOptions), [&](const Option& one) {
            return one.shorter == name || one.longer == name;
          });
      if (option == std::end(kOptions)) {
        ledger_.Lose(line, words[i], "is not known");
        continue;
      }
      absl::string_view value;
      if (equals != absl::string_view::npos) {
        value = words[i].substr(equals + 1);
      } else if (option->value && i + 1 < words.size() &&
                 words[i + 1][0] != '-') {
        value = words[++i];
      }
      if (!given.emplace(option->shorter, value).second) {
        ledger_.Lose(line, words[i], "is there twice");
      }
    }
    return given;
  }

  // "tcp 192.0.2.10:80"; empty if there is none of these here.
  std::string ServiceName(int line, const Given& given) {
    for (const auto& [option, why] :
         {std::pair{"-f",
                    "services by firewall mark: packets have no mark "
                    "here, name address and port"},
          std::pair{"--sctp-service", "no SCTP here"}}) {
      const auto found = given.find(option);
      if (found == given.end()) continue;
      ledger_.Lose(line, absl::StrCat(option, " ", found->second), why);
      return "";
    }
    const auto tcp = given.find("-t");
    const auto udp = given.find("-u");
    if ((tcp == given.end()) == (udp == given.end())) {
      ledger_.Lose(line, "service", "must be one of -t and -u");
      return "";
    }
    const bool is_tcp = tcp != given.end();
    const absl::string_view text = is_tcp ? tcp->second : udp->second;
    const auto endpoint = Endpoint::Parse(text);
    if (!endpoint.ok()) {
      ledger_.Lose(line, absl::StrCat(is_tcp ? "-t " : "-u ", text),
                   "must be an address and a port, as ipvsadm-save -n "
                   "prints them");
      return "";
    }
    return absl::StrCat(is_tcp ? "tcp " : "udp ", endpoint->ToString());
  }

  void AddService(int line, const std::string& name, const Given& given) {
    if (services_.count(name) > 0) {
      ledger_.Lose(line, name, "is there twice");
      return;
    }
    ledger_.Use(line);
    proto::VirtualService* const service = ledger_.AddService(line, {});
    if (service == nullptr) return;
    services_[name] = service;
    const auto endpoint = Endpoint::Parse(name.substr(4));
    service->set_address(endpoint->address.ToString());
    service->set_port(endpoint->port);
    service->set_protocol(absl::StartsWith(name, "udp") ? proto::UDP
                                                        : proto::TCP);
    service->mutable_health_check()->set_type(proto::NONE);
    service->set_schedule(proto::WLC);
    for (const auto& [option, value] : given) {
      const std::string directive =
          absl::StrCat(option, value.empty() ? "" : " ", value);
      if (option == "-s") {
        ScheduleAsIpvs(value, line, directive, service, ledger_);
      } else if (option == "-p") {
        const auto seconds = value.empty() ? 300 : ReadNumber(value);
        if (!seconds) {
          ledger_.Lose(line, directive, "must be seconds");
        } else {
          service->mutable_persistence()->set_timeout_s(
              PersistenceSeconds(*seconds, line, directive, ledger_));
        }
      } else if (option == "-M") {
        if (value != "255.255.255.255" && value != "128") {
          ledger_.Lose(line, directive,
                       "persistence is by the whole address here");
        }
      } else if (option == "--pe") {
        ReadEngine(line, directive, value, service);
      } else if (option == "-b") {
        ledger_.Lose(line, directive,
                     "SH goes by the address alone, and to a server that is "
                     "up, here");
      } else if (option == "-o") {
        ledger_.Lose(line, directive,
                     "a client's datagrams go to one server here");
      } else if (!IsOf(option, "-A -t -u -6 -n")) {
        ledger_.Lose(line, directive, "is of servers");
      }
    }
  }

  void ReadEngine(int line, const std::string& directive,
                  absl::string_view value, proto::VirtualService* service) {
    if (value != "sip" || service->protocol() != proto::UDP) {
      ledger_.Lose(line, directive, "must be sip, over UDP, here");
      return;
    }
    service->mutable_persistence()->set_mode(proto::Persistence::UDP_SIP);
    service->mutable_persistence()->set_name("Call-ID");
  }

  void AddServer(int line, const std::string& name, const Given& given) {
    const auto found = services_.find(name);
    const auto real = given.find("-r");
    if (found == services_.end() || real == given.end()) {
      ledger_.Lose(
          line, name,
          real == given.end() ? "there is no -r" : "there is no such service");
      return;
    }
    proto::VirtualService* const service = found->second;
    std::string server_text(real->second);
    auto endpoint = Endpoint::Parse(server_text);
    if (!endpoint.ok()) {  // Without a port: the service's.
      const auto address = Address::Parse(server_text);
      if (address.ok()) {
        endpoint = Endpoint{*address, static_cast<uint16_t>(service->port())};
      }
    }
    if (!endpoint.ok()) {
      ledger_.Lose(line, absl::StrCat("-r ", server_text),
                   "must be an address and a port");
      return;
    }
    if (given.count("-i") > 0) {
      ledger_.Lose(line, absl::StrCat("-i, server ", server_text),
                   "no tunnelling here: -g or -m");
      return;
    }
    if (endpoint->address.is_v4() != !absl::StrContains(name, "[")) {
      ledger_.Lose(line, absl::StrCat("-r ", server_text),
                   "must be of the service's family here");
      return;
    }
    ledger_.Use(line);
    proto::RealServer* const server = service->add_real_servers();
    server->set_address(endpoint->address.ToString());
    server->set_port(endpoint->port);
    server->set_weight(1);
    if (given.count("-m") == 0) {  // -g is the default.
      server->set_forward(proto::ROUTE);
      server->clear_port();
      if (endpoint->port != service->port()) {
        ledger_.Lose(line, absl::StrCat("-r ", server_text),
                     "-g changes no port: the service's is taken");
      }
    }
    for (const auto& [option, value] : given) {
      const std::string directive =
          absl::StrCat(option, value.empty() ? "" : " ", value);
      const auto number = ReadNumber(value);
      if (option == "-w" && number) {
        server->set_weight(Within(*number, 0, 65535, line, directive, ledger_));
      } else if (option == "-x" && number) {
        server->set_connection_limit(
            Within(*number, 0, 100000, line, directive, ledger_));
      } else if (option == "-y" && number) {
        if (*number == 0) continue;
        ledger_.Lose(line, directive,
                     "below its limit a server gets connections at once");
      } else if (!IsOf(option, "-a -t -u -r -g -m -6 -n")) {
        ledger_.Lose(line, directive, "is of no effect here");
      }
    }
  }

  static bool IsOf(absl::string_view option, absl::string_view options) {
    const std::vector<absl::string_view> all = absl::StrSplit(options, ' ');
    return std::find(all.begin(), all.end(), option) != all.end();
  }

  Ledger& ledger_;
  std::map<std::string, proto::VirtualService*> services_;
};

}  // namespace

bool ScheduleAsIpvs(absl::string_view name, int line,
                    absl::string_view directive, proto::VirtualService* service,
                    Ledger& ledger) {
  for (const Scheduler& one : kSchedulers) {
    if (one.name != name) continue;
    service->set_schedule(one.schedule);
    service->set_fill(one.fill);
    if (!one.differs.empty()) ledger.Lose(line, directive, one.differs);
    return true;
  }
  ledger.Lose(
      line, directive,
      absl::StrCat("is no scheduler that is known: ",
                   proto::Schedule_Name(service->schedule()), " stays"));
  return false;
}

Conversion ConvertIpvsadm(absl::string_view text,
                          const ConvertOptions& options) {
  Ledger ledger(text);
  Reader reader(ledger);
  for (int i = 1; i <= ledger.line_count(); ++i) reader.Read(i);
  ledger.Advise(
      "ipvsadm-save prints no thresholds (-x): connection_limit of each server "
      "is to be set");
  ledger.Advise(
      "IPVS checks no server, so nothing is checked: health_check { type: NONE "
      "} of each service is to be changed");
  return ledger.Finish(options);
}

}  // namespace ballast::ctl

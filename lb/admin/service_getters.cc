#include "lb/admin/service_getters.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/status_of.h"
#include "lb/config/extra_ports.h"

namespace ballast::admin {
namespace {

using config::proto::L7;
using config::proto::VirtualService;

constexpr uint32_t kIdleTimeoutS = 660;

const char* Flag(bool flag) { return flag ? "1" : "0"; }

const VirtualService& ServiceOf(const ServiceView& view) {
  return *view.service.service;
}

// What the API calls the headers that tell servers of the client.
struct ViaNumber {
  int number;
  L7::ClientHeader header;
  bool via;
};
constexpr ViaNumber kVia[] = {
    {1, L7::X_FORWARDED_FOR, true},
    {2, L7::NO_CLIENT_HEADER, false},
    {5, L7::X_FORWARDED_FOR, false},
    {6, L7::NO_CLIENT_HEADER, true},
};

const config::proto::SorryServer* SorryOf(const Service& service) {
  if (service.sub != nullptr) {
    return service.sub->has_sorry_server() ? &service.sub->sorry_server()
                                           : nullptr;
  }
  return service.service->has_sorry_server() ? &service.service->sorry_server()
                                             : nullptr;
}

config::proto::SorryServer* MutableSorry(const Service& service) {
  return service.sub ? service.sub->mutable_sorry_server()
                     : service.service->mutable_sorry_server();
}

absl::StatusOr<bool> NeedFlag(absl::string_view name, absl::string_view text) {
  const auto flag = ReadFlag(text);
  if (!flag.has_value()) return WrongValue(name, text, "Y or N");
  return *flag;
}

}  // namespace

std::string GetStatus(const ServiceView& view) {
  return StatusOf(view.statistics, view.service);
}

std::string GetIndex(const ServiceView& view) {
  return absl::StrCat(view.service.index());
}

std::string GetAddress(const ServiceView& view) {
  return view.service.sub ? "" : ServiceOf(view).address();
}

absl::Status SetAddress(const Service& service, absl::string_view text) {
  const auto address = Address::Parse(text);
  if (!address.ok()) return WrongValue("VSAddress", text, "an address");
  service.service->set_address(address->ToString());
  return absl::OkStatus();
}

std::string GetPort(const ServiceView& view) {
  if (view.service.sub != nullptr) return "0";
  const uint32_t port = ServiceOf(view).port();
  return port == 0 ? "*" : absl::StrCat(port);
}

absl::Status SetPort(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const uint32_t port, ReadServicePort(text));
  service.service->set_port(port);
  return absl::OkStatus();
}

std::string GetLayer(const ServiceView& view) {
  return view.service.is_l7() ? "7" : "4";
}

std::string GetEnable(const ServiceView& view) {
  return Flag(view.service.sub ? !view.service.sub->disabled()
                               : !ServiceOf(view).disabled());
}

// A sub service is switched as a member of its parent (4.12).
absl::Status SetEnable(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const bool enable, NeedFlag("Enable", text));
  if (service.sub == nullptr) service.service->set_disabled(!enable);
  return absl::OkStatus();
}

// Layer 4 always is.
std::string GetTransparent(const ServiceView& view) {
  return Flag(!view.service.is_l7() || ServiceOf(view).l7().transparent());
}

std::string GetIsTransparent(const ServiceView& view) {
  const L7& l7 = ServiceOf(view).l7();
  return Flag(!view.service.is_l7() ||
              ((l7.transparent() || view.service.config->l7().transparent()) &&
               !l7.has_reencrypt()));
}

// What is in force where it is 0 (X14).
std::string GetIdleTime(const ServiceView& view) {
  const uint32_t own = ServiceOf(view).idle_timeout_s();
  const uint32_t global = view.service.config->connection_timeout_s();
  return absl::StrCat(own != 0 ? own : global != 0 ? global : kIdleTimeoutS);
}

absl::Status SetIdleTime(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const uint32_t seconds,
                           ReadNumber("Idletime", text, 0, 86400));
  service.service->set_idle_timeout_s(seconds);
  return absl::OkStatus();
}

std::string GetForceL4(const ServiceView& view) {
  return Flag(!view.service.is_l7());
}
std::string GetForceL7(const ServiceView& view) {
  return Flag(view.service.is_l7());
}

absl::Status SetForceL7(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const bool wanted, NeedFlag("ForceL7", text));
  VirtualService& vs = *service.service;
  if (wanted) {
    if (vs.protocol() != config::proto::TCP || vs.port() == 0) {
      return WrongValue("ForceL7", text, "N: needs TCP and a port");
    }
    const bool web = vs.port() == 80 || vs.port() == 8080;
    if (!vs.has_l7()) vs.mutable_l7()->set_type(web ? L7::HTTP : L7::GENERIC);
    return absl::OkStatus();
  }
  if (vs.l7().has_tls() || vs.l7().has_reencrypt()) {
    return WrongValue("ForceL7", text, "Y: the service has TLS");
  }
  if (vs.l7().sub_services_size() > 0) {
    return WrongValue("ForceL7", text, "Y: the service has SubVSs");
  }
  vs.clear_l7();
  return absl::OkStatus();
}

absl::Status SetForceL4(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const bool wanted, NeedFlag("ForceL4", text));
  return SetForceL7(service, wanted ? "N" : "Y");
}

std::string GetType(const ServiceView& view) {
  return view.service.is_l7() && ServiceOf(view).l7().type() == L7::HTTP
             ? "http"
             : "gen";
}

// At layer 4 there are but packets.
absl::Status SetType(const Service& service, absl::string_view text) {
  const bool http = absl::EqualsIgnoreCase(text, "http");
  if (!http && !absl::EqualsIgnoreCase(text, "gen")) {
    return WrongValue("VStype", text, "gen or http");
  }
  if (service.is_l7()) {
    service.service->mutable_l7()->set_type(http ? L7::HTTP : L7::GENERIC);
  }
  return absl::OkStatus();
}

std::string GetProtocol(const ServiceView& view) {
  return ServiceOf(view).protocol() == config::proto::UDP ? "udp" : "tcp";
}

std::string GetMasterVs(const ServiceView& view) {
  return absl::StrCat(view.service.sub ? 0 : view.service.sub_count());
}

std::string GetMasterVsId(const ServiceView& view) {
  return absl::StrCat(view.service.sub ? ServiceOf(view).index() : 0);
}

std::string GetAddVia(const ServiceView& view) {
  const L7& l7 = ServiceOf(view).l7();
  for (const ViaNumber& via : kVia) {
    if (l7.client_header() == via.header && l7.via() == via.via) {
      return absl::StrCat(via.number);
    }
  }
  return "0";
}

// 0 is the vendor's "as it always was": here, as it is.
absl::Status SetAddVia(const Service& service, absl::string_view text) {
  if (text == "0") return absl::OkStatus();
  for (const ViaNumber& via : kVia) {
    if (text != absl::StrCat(via.number)) continue;
    if (!service.is_l7()) {
      return WrongValue("AddVia", text, "0 or 2: the service is of layer 4");
    }
    service.service->mutable_l7()->set_client_header(via.header);
    service.service->mutable_l7()->set_via(via.via);
    return absl::OkStatus();
  }
  return WrongValue("AddVia", text, "0, 1, 2, 5 or 6");
}

// Sub services have it from a parent that passes it through, and nothing of
// their own then; they begin with 0 when it no longer does (4.11).
std::string GetQos(const ServiceView& view) {
  const L7& l7 = ServiceOf(view).l7();
  return absl::StrCat(static_cast<int>(view.service.sub == nullptr ||
                                               l7.qos() == L7::PASS_THROUGH
                                           ? l7.qos()
                                           : view.service.sub->qos()));
}

absl::Status SetQos(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const uint32_t number,
                           ReadNumber("QoS", text, 0, 16));
  if (!L7::QualityOfService_IsValid(static_cast<int>(number))) {
    return WrongValue("QoS", text, "0, 1, 2, 4, 8 or 16");
  }
  if (!service.is_l7()) {
    return WrongValue("QoS", text, "0: the service is of layer 4");
  }
  const auto qos = static_cast<L7::QualityOfService>(number);
  L7& l7 = *service.service->mutable_l7();
  if (service.sub != nullptr) {
    if (l7.qos() == L7::PASS_THROUGH || qos == L7::PASS_THROUGH) {
      return WrongValue("QoS", text,
                        l7.qos() == L7::PASS_THROUGH
                            ? "16, as the parent's is"
                            : "another: the parent's is not 16");
    }
    service.sub->set_qos(qos);
    return absl::OkStatus();
  }
  l7.set_qos(qos);
  if (qos == L7::PASS_THROUGH) {
    for (auto& sub : *l7.mutable_sub_services()) sub.clear_qos();
  }
  return absl::OkStatus();
}

absl::Status SetErrorCode(const Service& service, absl::string_view text) {
  uint32_t code = 0;
  if (!text.empty()) {
    BALLAST_ASSIGN_OR_RETURN(code, ReadNumber("ErrorCode", text, 0, 505));
  }
  if (code != 0 && !service.is_l7()) {
    return WrongValue("ErrorCode", text, "0: the service is of layer 4");
  }
  if (service.is_l7()) service.service->mutable_l7()->set_error_code(code);
  return absl::OkStatus();
}

std::string GetServerCount(const ServiceView& view) {
  return absl::StrCat(view.service.sub == nullptr &&
                              view.service.sub_count() > 0
                          ? view.service.sub_count()
                          : view.service.servers().size());
}

std::string GetExtraPorts(const ServiceView& view) {
  if (view.service.sub != nullptr) return "";
  const auto ports =
      config::ParseExtraPorts(ServiceOf(view).extra_ports(),
                              static_cast<uint16_t>(ServiceOf(view).port()));
  return ports.ok() ? config::FormatExtraPorts(*ports)
                    : ServiceOf(view).extra_ports();
}

std::string GetSorryAddress(const ServiceView& view) {
  const auto* sorry = SorryOf(view.service);
  return sorry == nullptr ? "" : sorry->address();
}

std::string GetSorryPort(const ServiceView& view) {
  const auto* sorry = SorryOf(view.service);
  return sorry == nullptr ? "" : absl::StrCat(sorry->port());
}

absl::Status SetSorryAddress(const Service& service, absl::string_view text) {
  if (!text.empty()) {
    MutableSorry(service)->set_address(std::string(text));
  } else if (service.sub != nullptr) {
    service.sub->clear_sorry_server();
  } else {
    service.service->clear_sorry_server();
  }
  return absl::OkStatus();
}

// Without an address there is nothing it could be the port of.
absl::Status SetSorryPort(const Service& service, absl::string_view text) {
  if (SorryOf(service) == nullptr) return absl::OkStatus();
  uint32_t port = 0;
  if (!text.empty()) {
    BALLAST_ASSIGN_OR_RETURN(port, ReadNumber("StandbyPort", text, 0, 65535));
  }
  MutableSorry(service)->set_port(port);
  return absl::OkStatus();
}

}  // namespace ballast::admin

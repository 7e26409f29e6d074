// Properties: whatever the text, a report or a model comes out, never both and
// never neither; every problem names its field; and what a valid model says
// keeps to the bounds that its readers rely on.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/config/extra_ports.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace {

using ballast::config::Model;
using ballast::config::PortRange;
using ballast::config::RealServer;
using ballast::config::VirtualService;

void CheckService(const VirtualService& service) {
  BALLAST_CHECK(!service.address.is_unspecified());
  BALLAST_CHECK(service.idle_timeout > absl::ZeroDuration());
  BALLAST_CHECK(service.servers_min >= 1);
  BALLAST_CHECK(service.check.interval >
                service.check.retry_count * service.check.timeout);
  uint32_t next = 0;
  for (const PortRange& ports : service.extra_ports) {
    BALLAST_CHECK(ports.first > next && ports.first <= ports.last);
    BALLAST_CHECK(!ports.Contains(service.port));
    next = ports.last + 1u;
  }
  BALLAST_CHECK(CountPorts(service.extra_ports) <=
                ballast::config::kExtraPortsMax);
  for (const RealServer& server : service.servers) {
    BALLAST_CHECK(server.endpoint.address.is_v4() == service.address.is_v4());
    BALLAST_CHECK(server.weight <= ballast::config::kWeightMax);
    // Where a check connects to is always known.
    BALLAST_CHECK(service.check.type != ballast::config::CheckType::kTcp ||
                  service.check.port != 0 || server.endpoint.port != 0 ||
                  service.port != 0);
  }
}

void CheckConfig(const ballast::config::proto::Config& config) {
  const auto validated = ballast::config::Validate(config, 7);
  BALLAST_CHECK((validated.model == nullptr) == !validated.errors.empty());
  for (const auto* problems : {&validated.errors, &validated.warnings}) {
    for (const auto& problem : *problems) {
      BALLAST_CHECK(!problem.path.empty() && !problem.message.empty());
    }
  }
  if (validated.model == nullptr) return;
  const Model& model = *validated.model;
  BALLAST_CHECK(model.generation == 7);
  BALLAST_CHECK(!model.interfaces.empty());
  BALLAST_CHECK(model.threads >= 1 && model.threads <= 64);
  for (const VirtualService& service : model.services) CheckService(service);
  // The same configuration gives the same value.
  BALLAST_CHECK(*ballast::config::Validate(config, 7).model == model);
}

}  // namespace

// The bytes are read as text, and as a message in Protobuf's binary form, which
// mutation leaves readable far more often.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = ballast::config::ParseConfig(text);
  if (config.ok()) {
    CheckConfig(*config);
  } else {
    BALLAST_CHECK(!config.status().message().empty());
  }
  ballast::config::proto::Config message;
  if (message.ParseFromArray(data, static_cast<int>(size))) {
    CheckConfig(message);
  }
  return 0;
}

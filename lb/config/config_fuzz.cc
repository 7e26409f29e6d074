// Properties: whatever the text, a report or a model comes out, never both and
// never neither; every problem names its field; and what a valid model says
// keeps to the bounds that its readers rely on. Any configuration can be
// written and read again, and given to a partner whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "io/base/check.h"
#include "lb/config/extra_ports.h"
#include "lb/config/format.h"
#include "lb/config/load.h"
#include "lb/config/partner_config.h"
#include "lb/config/shared_part.h"
#include "lb/config/validate.h"

namespace {

using ballast::config::HaLink;
using ballast::config::HighAvailability;
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
  const bool polls =
      service.schedule == ballast::config::Schedule::kAdaptive ||
      service.schedule == ballast::config::Schedule::kSdnAdaptive;
  BALLAST_CHECK(!polls || service.adaptive.interval >= absl::Seconds(1));
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
    BALLAST_CHECK(service.check.type == ballast::config::CheckType::kNone ||
                  service.check.type == ballast::config::CheckType::kIcmp ||
                  service.check.port != 0 || server.endpoint.port != 0 ||
                  service.port != 0);
  }
}

void CheckHa(const HighAvailability& ha) {
  BALLAST_CHECK(ha.advert_interval >= absl::Milliseconds(20) &&
                ha.timeout() <= absl::Seconds(15));
  BALLAST_CHECK(ha.l4_sync.period == 0
                    ? ha.l4_sync.threshold <= 254
                    : ha.l4_sync.threshold < ha.l4_sync.period &&
                          ha.l4_sync.period <= 255);
  BALLAST_CHECK(!ha.reboot_on_link_failure ||
                ha.preferred == ballast::ha::Mode::kNone);
  BALLAST_CHECK(ha.sync_group.address.is_multicast());
  if (ha.mode == ballast::ha::Mode::kNone) return;
  BALLAST_CHECK(ha.virtual_id != 0);
  BALLAST_CHECK(ha.update_link < ha.links.size());
  BALLAST_CHECK(ha.sync_link < ha.links.size());
  BALLAST_CHECK(std::any_of(ha.links.begin(), ha.links.end(),
                            [](const HaLink& link) { return link.check; }));
  for (const HaLink& link : ha.links) {
    BALLAST_CHECK(link.own.Contains(link.partner));
    BALLAST_CHECK(link.partner != link.own.address);
    BALLAST_CHECK(ha.shared != link.own.address && ha.shared != link.partner);
  }
  // Never open by oversight.
  const bool keyed = !ha.keys.empty() || !ha.key_file.empty();
  BALLAST_CHECK(keyed != ha.plain.has_value());
  if (!ha.plain) return;
  BALLAST_CHECK(ha.plain->advbase != 0 || ha.plain->advskew != 0);
  BALLAST_CHECK(!ha.plain->address.is_unspecified());
  const bool carp = ha.plain->election == ballast::config::PlainElection::kCarp;
  BALLAST_CHECK(!carp || !ha.plain->password.empty());
  BALLAST_CHECK(!carp || !ha.shared.is_unspecified());
}

void CheckTravel(ballast::config::proto::Config config) {
  config.DiscardUnknownFields();
  const std::string text = ballast::config::FormatConfig(config, "Written.");
  const auto read = ballast::config::ParseConfig(text);
  BALLAST_CHECK(read.ok());
  BALLAST_CHECK(read->SerializeAsString() == config.SerializeAsString());

  ballast::config::proto::Config partner;
  partner.set_threads(7);
  partner.set_drop_on_fail(true);
  partner.mutable_ha()->add_keys("partner's");
  const std::string shared = ballast::config::SerializeShared(config);
  const auto arrived = ballast::config::ParseShared(shared);
  BALLAST_CHECK(arrived.ok());
  const auto merged = ballast::config::MergeShared(partner, *arrived);
  BALLAST_CHECK(ballast::config::SerializeShared(merged) == shared);
  BALLAST_CHECK(merged.threads() == 7 && merged.ha().keys_size() == 1 &&
                merged.ha().keys(0) == "partner's" &&
                merged.ha().wire() == partner.ha().wire());
}

void CheckConfig(const ballast::config::proto::Config& config) {
  CheckTravel(config);
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
  CheckHa(model.ha);
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
  (void)ballast::config::ParseShared(text);
  const auto given = ballast::config::ParsePartnerConfig({data, size});
  if (given.ok()) {
    BALLAST_CHECK(*ballast::config::ParsePartnerConfig(
                      ballast::config::Serialize(*given)) == *given);
  }
  ballast::config::proto::Config message;
  if (message.ParseFromArray(data, static_cast<int>(size))) {
    CheckConfig(message);
  }
  return 0;
}

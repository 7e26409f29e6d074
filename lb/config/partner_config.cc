#include "lb/config/partner_config.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lb/config/partner_config.pb.h"

namespace ballast::config {

std::vector<uint8_t> Serialize(const PartnerConfig& config) {
  proto::PartnerConfig message;
  message.set_shared(config.shared.data(), config.shared.size());
  message.set_source_key(config.source_key.data(), config.source_key.size());
  for (const ScheduleTable& table : config.tables) {
    proto::PartnerConfig::Table& to = *message.add_tables();
    to.set_service(table.service);
    to.mutable_slots()->Assign(table.slots.begin(), table.slots.end());
  }
  if (config.l7_secret.has_value()) {
    message.set_l7_secret(config.l7_secret->data(), config.l7_secret->size());
  }
  std::vector<uint8_t> bytes(message.ByteSizeLong());
  message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

absl::StatusOr<PartnerConfig> ParsePartnerConfig(
    std::span<const uint8_t> bytes) {
  proto::PartnerConfig message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(absl::StrCat(
        bytes.size(), " bytes that are no partner's configuration"));
  }
  PartnerConfig config;
  if (message.source_key().size() != config.source_key.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("source_key: ", message.source_key().size(),
                     " bytes, must be ", config.source_key.size()));
  }
  config.shared.assign(message.shared().begin(), message.shared().end());
  std::copy(message.source_key().begin(), message.source_key().end(),
            config.source_key.begin());
  if (!message.l7_secret().empty()) {
    L7Secret& secret = config.l7_secret.emplace();
    if (message.l7_secret().size() != secret.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("l7_secret: ", message.l7_secret().size(),
                       " bytes, must be ", secret.size()));
    }
    std::copy(message.l7_secret().begin(), message.l7_secret().end(),
              secret.begin());
  }
  for (const proto::PartnerConfig::Table& from : message.tables()) {
    ScheduleTable& table = config.tables.emplace_back();
    table.service = from.service();
    for (const uint32_t slot : from.slots()) {
      if (slot > 0xffff) {
        return absl::InvalidArgumentError(
            absl::StrCat("slots: server ", slot, ", must be at most 65535"));
      }
      table.slots.push_back(static_cast<uint16_t>(slot));
    }
  }
  return config;
}

}  // namespace ballast::config

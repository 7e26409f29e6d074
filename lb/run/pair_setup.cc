#include "lb/run/pair_setup.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "ha/carp_frame.h"
#include "ha/carp_node.h"
#include "ha/carp_wire.h"
#include "ha/start_counter.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/run/pair_keys.h"

namespace ballast::run {
namespace {

constexpr size_t kStartFileMax = 65536;

absl::string_view Text(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ha::StartStamp Stamp() {
  ha::StartStamp stamp;
  const auto boot = ReadFile("/proc/sys/kernel/random/boot_id", 64);
  // Any unchanging form of it does.
  if (boot.ok()) {
    std::copy_n(boot->begin(), std::min(boot->size(), stamp.kernel_boot.size()),
                stamp.kernel_boot.begin());
  }
  timespec since{};
  clock_gettime(CLOCK_BOOTTIME, &since);
  stamp.since_boot_ns = int64_t{since.tv_sec} * 1'000'000'000 + since.tv_nsec;
  stamp.calendar_ns = absl::GetCurrentTimeNanos();
  return stamp;
}

std::string StartPath(const config::Model& model) {
  return absl::StrCat(model.state_dir, "/starts");
}
ha::StartLimits Limits(const config::Model& model) {
  return {.limit = model.ha.pacify_starts, .window = model.ha.pacify_window};
}
ha::StartHistory ReadStarts(const config::Model& model) {
  const auto bytes = ReadFile(StartPath(model), kStartFileMax);
  if (!bytes.ok()) return {};
  // A damaged file is as good as none.
  auto history = ha::ParseStartHistory(Text(*bytes));
  return history.ok() ? *std::move(history) : ha::StartHistory();
}
absl::Status WriteStarts(const config::Model& model,
                         const ha::StartHistory& history) {
  const std::string text = ha::FormatStartHistory(history);
  return WriteFileAtomically(
      StartPath(model),
      {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// Whether this start is one too many.
absl::StatusOr<bool> CountThisStart(const config::Model& model) {
  if (model.ha.pacify_starts == 0) return false;
  if (model.state_dir.empty()) {
    return absl::InvalidArgumentError(
        "state_dir: empty, but ha.pacify_starts needs it to count starts; set "
        "it, or pacify_starts to 0");
  }
  BALLAST_RETURN_IF_ERROR(MakeFolder(model.state_dir));
  const ha::StartVerdict verdict =
      ha::CountStart(ReadStarts(model), Stamp(), Limits(model));
  BALLAST_RETURN_IF_ERROR(WriteStarts(model, verdict.history));
  return verdict.pacified;
}

}  // namespace

absl::Status RecordStableRun(const config::Model& model) {
  if (model.ha.pacify_starts == 0) return absl::OkStatus();
  ha::StartHistory history = ReadStarts(model);
  if (!ha::RecordUptime(history, model.ha.pacify_window, Limits(model))) {
    return absl::OkStatus();
  }
  return WriteStarts(model, history);
}

absl::StatusOr<Pair::Options> MakePairOptions(const config::Model& model) {
  const config::HighAvailability& pair = model.ha;
  Pair::Options options;
  BALLAST_ASSIGN_OR_RETURN(options.node.keys, ReadPairKeys(pair));
  BALLAST_ASSIGN_OR_RETURN(options.node.election.pacified,
                           CountThisStart(model));
  options.node.election.mode = pair.mode;
  options.node.election.interval = pair.advert_interval;
  options.node.election.initial_wait = pair.initial_wait;
  options.node.election.preferred = pair.is_preferred();
  options.node.election.syncs = pair.l4_updates || pair.l7_updates;
  options.node.election.shared = pair.shared;
  options.node.replication.told_of_changes = true;
  options.node.election.reboot_on_link_failure = pair.reboot_on_link_failure;
  for (const config::HaLink& link : pair.links) {
    if (link.check) options.check_interfaces.push_back(link.interface);
  }
  options.node.election.interfaces =
      static_cast<int>(options.check_interfaces.size());
  options.node.replication.l4 = pair.l4_updates;
  options.node.replication.syncid = pair.sync_id;
  FillRandom({reinterpret_cast<uint8_t*>(&options.node.replication.seed),
              sizeof(options.node.replication.seed)});
  options.node.virtual_id = pair.virtual_id;
  options.node.unit = static_cast<uint16_t>(pair.mode);
  FillRandom({reinterpret_cast<uint8_t*>(&options.node.boot),
              sizeof(options.node.boot)});
  options.broadcast = pair.broadcast;
  const config::HaLink& update = pair.links[pair.update_link];
  options.v6 = !update.own.address.is_v4();
  options.own = {update.own.address, pair.port};
  options.partner = {update.partner, pair.port};
  options.sync_interface = pair.links[pair.sync_link].interface;
  options.sync_group = pair.sync_group;
  return options;
}

namespace {

ha::CarpManner MannerOf(config::CarpMake make) {
  switch (make) {
    case config::CarpMake::kUcarp:
      return ha::CarpManner::kUcarp;
    case config::CarpMake::kFreeBsd:
      return ha::CarpManner::kFreeBsd;
    case config::CarpMake::kOpenBsd:
      return ha::CarpManner::kOpenBsd;
  }
  return ha::CarpManner::kUcarp;
}

absl::StatusOr<PlainPair::Carp> MakeCarp(const config::HighAvailability& pair,
                                         const MacAddress& mac) {
  const config::PlainPeer& plain = *pair.plain;
  BALLAST_ASSIGN_OR_RETURN(ha::CarpKey key,
                           ha::CarpKey::Create(plain.password, pair.virtual_id,
                                               std::array{pair.shared}));
  const auto link =
      std::find_if(pair.links.begin(), pair.links.end(),
                   [](const config::HaLink& each) { return each.check; });
  const ha::CarpNode::Options node{
      .advbase = plain.advbase,
      .advskew = plain.advskew,
      .dead_ratio = plain.dead_ratio,
      .preempt = plain.preempt         ? ha::CarpPreempt::kAlways
                 : pair.is_preferred() ? ha::CarpPreempt::kOnce
                                       : ha::CarpPreempt::kOff,
      .manner = MannerOf(plain.make),
      .source = link->own.address,
      .initial_wait = pair.initial_wait};
  BALLAST_RETURN_IF_ERROR(ha::CarpNode::Validate(node));
  return PlainPair::Carp{
      .link = {.interface = link->interface,
               .node = node,
               .peer = {.source = plain.address,
                        .advbase = plain.peer_advbase,
                        .advskew = plain.peer_advskew,
                        .allow_bow_out = plain.allow_bow_out},
               .framing = {.source_mac = mac,
                           .source = link->own.address,
                           .delivery =
                               pair.broadcast
                                   ? ha::CarpDelivery::kEthernetBroadcast
                                   : ha::CarpDelivery::kMulticast}},
      .key = std::move(key)};
}

}  // namespace

absl::StatusOr<PlainPair::Options> MakePlainPairOptions(
    const config::Model& model, const MacAddress& mac) {
  const config::HighAvailability& pair = model.ha;
  const config::PlainPeer& plain = *pair.plain;
  PlainPair::Options options;
  if (plain.election == config::PlainElection::kCarp) {
    BALLAST_ASSIGN_OR_RETURN(options.carp, MakeCarp(pair, mac));
  }
  BALLAST_ASSIGN_OR_RETURN(options.pacified, CountThisStart(model));
  options.reboot_on_link_failure = pair.reboot_on_link_failure;
  if (!pair.l4_updates) return options;
  const config::HaLink& link = pair.links[pair.sync_link];
  PlainPair::Sync& sync = options.sync.emplace();
  sync.options.version = plain.ipvs_version;
  sync.options.syncid = pair.sync_id;
  if (!pair.sync_group.address.is_v4()) {
    sync.options.message_max = ha::kIpvsMessageMaxV6;
  }
  sync.interface = link.interface;
  sync.group = pair.sync_group;
  sync.own = link.own.address;
  // The peer's address is that on the checked link; by command, on this one.
  sync.partner =
      plain.election == config::PlainElection::kByCommand || link.check
          ? plain.address
          : link.partner;
  return options;
}

}  // namespace ballast::run

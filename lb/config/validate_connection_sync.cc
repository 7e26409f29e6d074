#include "lb/config/validate_connection_sync.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/config/validate_ha_links.h"
#include "lb/config/validate_network.h"

namespace ballast::config {
namespace {

constexpr uint16_t kPort = 3780;
constexpr uint32_t kBuffer = 65536;
constexpr uint32_t kBufferMax = 0x7fffffff;

static_assert(static_cast<int>(ConnectionSyncMode::kFtfw) ==
              proto::ConnectionSync::FTFW);
static_assert(static_cast<int>(ConnectionSyncMode::kNotrack) ==
              proto::ConnectionSync::NOTRACK);
static_assert(static_cast<int>(ConnectionSyncMode::kAlarm) ==
              proto::ConnectionSync::ALARM);

void CheckPeer(const ConnectionSync& sync, Problems& problems) {
  const auto wrong = [&](absl::string_view must) {
    problems.Error("connection_sync.peer",
                   absl::StrCat(Quoted(sync.peer.ToString()), ", must ", must));
  };
  const std::string local = absl::StrCat("local ", sync.local.ToString());
  if (sync.peer.address.is_v4() != sync.local.address.is_v4()) {
    wrong(absl::StrCat("be IPv", sync.local.address.is_v4() ? 4 : 6, " like ",
                       local));
  } else if (sync.peer.address == sync.local.address) {
    wrong("not be local");
  } else if (sync.peer.length != sync.local.length ||
             !sync.local.Contains(sync.peer.address)) {
    wrong(absl::StrCat("be in the network of ", local,
                       ", with a prefix as long"));
  }
}

// One consumer takes the changes of the directors' tables.
void CheckPair(const HighAvailability& ha, Problems& problems) {
  if (ha.mode == ha::Mode::kNone) return;
  if (!ha.plain.has_value()) {
    problems.Error("connection_sync.enable",
                   "true, must be false in a pair with ha.wire SEALED, which "
                   "tells its connections itself");
  } else if (ha.l4_updates) {
    problems.Error("connection_sync.enable",
                   "true, must be false with ha.l4_updates: connections are "
                   "told to one peer");
  }
}

// What the director answers for, the host's kernel does not have.
void CheckPlace(const ConnectionSync& sync, const Model& model,
                Problems& problems) {
  for (const FloatingAddress& floating : model.floating_addresses) {
    const auto refuse = [&](const char* path, const Prefix& prefix) {
      if (prefix.address != floating.address) return;
      problems.Error(path, absl::StrCat(Quoted(prefix.ToString()),
                                        ", must not be a floating address"));
    };
    refuse("connection_sync.local", sync.local);
    refuse("connection_sync.peer", sync.peer);
  }
  for (const Interface& interface : model.interfaces) {
    if (interface.name != sync.interface) continue;
    problems.Warn("connection_sync.interface",
                  absl::StrCat(Quoted(sync.interface),
                               ", carries services, too: what they send and "
                               "what is told of it may displace each other"));
  }
}

}  // namespace

void ValidateConnectionSync(const proto::ConnectionSync& from, Model& model,
                            Problems& problems) {
  const bool enable = from.enable();
  ConnectionSync sync;
  if (!proto::ConnectionSync::Mode_IsValid(from.mode())) {
    problems.Error(
        "connection_sync.mode",
        absl::StrCat(static_cast<int>(from.mode()), ", is none of its names"));
  } else {
    sync.mode = static_cast<ConnectionSyncMode>(from.mode());
  }
  sync.interface = from.interface();
  if (enable || !from.interface().empty()) {
    ValidateLinkName("connection_sync.interface", from.interface(), problems);
  }
  const bool has_local = ValidateOwnAddress(
      "connection_sync.local", from.local(), enable, sync.local, problems);
  const bool has_peer = ValidateOwnAddress("connection_sync.peer", from.peer(),
                                           enable, sync.peer, problems);
  if (has_local && has_peer) CheckPeer(sync, problems);
  sync.port = static_cast<uint16_t>(
      problems.InRangeOr("connection_sync.port", from.port(), 1, 65535, kPort));
  sync.send_buffer =
      problems.InRangeOr("connection_sync.send_buffer", from.send_buffer(), 1,
                         kBufferMax, kBuffer);
  sync.receive_buffer =
      problems.InRangeOr("connection_sync.receive_buffer",
                         from.receive_buffer(), 1, kBufferMax, kBuffer);
  if (sync.send_buffer != sync.receive_buffer) {
    problems.Warn(
        "connection_sync.receive_buffer",
        absl::StrCat(sync.receive_buffer, ", should be send_buffer's ",
                     sync.send_buffer, ", here and at the peer"));
  }
  if (!enable) return;
  CheckPair(model.ha, problems);
  CheckPlace(sync, model, problems);
  model.connection_sync = sync;
}

}  // namespace ballast::config

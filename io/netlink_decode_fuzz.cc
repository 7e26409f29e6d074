// Properties: whatever bytes come, decoding stays inside them (sanitizers), a
// decoded value keeps its promised ranges, and a message rebuilt from its
// walked attributes decodes to the same value.
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/base/check.h"
#include "io/netlink_decode.h"
#include "io/netlink_wire.h"

namespace ballast {
namespace {

bool InRange(const Prefix& prefix) {
  return prefix.length <= (prefix.address.is_v4() ? 32 : 128);
}

void CheckRanges(const NetlinkEvent& event) {
  if (const auto* link = std::get_if<LinkInfo>(&event.what)) {
    BALLAST_CHECK(link->index > 0 && !link->name.empty());
    BALLAST_CHECK(link->up || !link->running);
  } else if (const auto* a = std::get_if<InterfaceAddress>(&event.what)) {
    BALLAST_CHECK(a->ifindex > 0 && InRange(a->prefix));
  } else if (const auto* route = std::get_if<RouteInfo>(&event.what)) {
    BALLAST_CHECK(InRange(route->destination));
    BALLAST_CHECK(route->type == RouteInfo::Type::kUnicast ||
                  route->hops.empty());
    for (const RouteHop& hop : route->hops) BALLAST_CHECK(hop.ifindex > 0);
  } else if (const auto* rule = std::get_if<RuleInfo>(&event.what)) {
    BALLAST_CHECK(InRange(rule->source));
  } else {
    const auto& neighbour = std::get<NeighbourInfo>(event.what);
    BALLAST_CHECK(neighbour.ifindex > 0);
    BALLAST_CHECK((neighbour.state == NeighbourInfo::State::kUsable) ==
                  neighbour.mac.has_value());
  }
}

template <typename Header>
std::optional<NetlinkBuilder> Rebuild(const NetlinkMessage& message) {
  std::span<const uint8_t> rest = message.payload;
  const auto header = TakeNetlinkStruct<Header>(rest);
  if (!header) return std::nullopt;
  NetlinkBuilder builder(message.header.nlmsg_type, 0);
  builder.Struct(*header);
  while (const auto attribute = NextNetlinkAttribute(rest)) {
    builder.Bytes(attribute->type, attribute->value);
  }
  return builder;
}

std::optional<NetlinkBuilder> Rebuild(const NetlinkMessage& message) {
  switch (message.header.nlmsg_type & ~3) {
    case RTM_NEWLINK:
      return Rebuild<ifinfomsg>(message);
    case RTM_NEWADDR:
      return Rebuild<ifaddrmsg>(message);
    case RTM_NEWROUTE:
      return Rebuild<rtmsg>(message);
    case RTM_NEWRULE:
      return Rebuild<fib_rule_hdr>(message);
    default:
      return Rebuild<ndmsg>(message);
  }
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const uint8_t> bytes(data, size);
  while (const auto message = ballast::NextNetlinkMessage(bytes)) {
    const auto answer = ballast::ReadNetlinkAnswer(*message);
    BALLAST_CHECK(answer.error >= 0 && answer.error < 4096);
    BALLAST_CHECK(answer.explanation.size() <=
                  std::max<size_t>(message->payload.size(), 12));
    const auto event = ballast::DecodeNetlinkEvent(*message);
    if (!event) continue;
    ballast::CheckRanges(*event);
    const auto rebuilt = ballast::Rebuild(*message);
    BALLAST_CHECK(rebuilt.has_value());
    std::span<const uint8_t> again = rebuilt->bytes();
    const auto message2 = ballast::NextNetlinkMessage(again);
    BALLAST_CHECK(message2.has_value() && again.empty());
    const auto event2 = ballast::DecodeNetlinkEvent(*message2);
    BALLAST_CHECK(event2.has_value());
    BALLAST_CHECK(event2->what == event->what);
    BALLAST_CHECK(event2->removed == event->removed);
  }
  return 0;
}

#include "io/mac_guard_rules.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <climits>
#include <set>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/netlink_wire.h"

namespace ballast {
namespace {

constexpr char kChain[] = "ingress";
// Before any other filter on the interface.
constexpr int32_t kPriority = -1000;
// Elements in one message: a nested attribute ends at 64 KiB.
constexpr size_t kElementsMax = 500;

// Where a key's part comes from, and what it looks like to `nft list`.
struct Field {
  enum class Kind : uint8_t { kNetwork, kTransport, kProtocol };
  Kind kind;
  uint32_t offset;  // Into the header; unused for kProtocol.
  uint32_t length;  // Bytes; padded to 4 in a key.
  uint32_t type;    // nft's own number for the data type.
};
constexpr uint32_t kTypeIpv4 = 7;
constexpr uint32_t kTypeIpv6 = 8;
constexpr uint32_t kTypeProtocol = 12;
constexpr uint32_t kTypePort = 13;
constexpr Field kProtocol{Field::Kind::kProtocol, 0, 1, kTypeProtocol};
constexpr Field kSourcePort{Field::Kind::kTransport, 0, 2, kTypePort};

// One set of keys, and the rule for what matches it.
struct Match {
  std::string set;
  bool ipv6;
  std::vector<Field> fields;
  std::set<std::vector<uint8_t>> keys;  // Each once, or the kernel refuses.
  bool pass = false;                    // To the host, or else dropped.
};

void AppendPadded(std::vector<uint8_t>& key, std::span<const uint8_t> value) {
  key.insert(key.end(), value.begin(), value.end());
  key.resize(NLMSG_ALIGN(key.size()), 0);
}

std::vector<uint8_t> ServerKey(const GuardRules::Server& server) {
  std::vector<uint8_t> key;
  AppendPadded(key, server.endpoint.address.wire());
  key.insert(key.end(), {server.protocol, 0, 0, 0});
  if (const uint16_t port = server.endpoint.port; port != 0) {
    key.insert(key.end(), {static_cast<uint8_t>(port >> 8),
                           static_cast<uint8_t>(port), 0, 0});
  }
  return key;
}

std::vector<Match> Matches(const GuardRules& rules) {
  std::vector<Match> matches;
  for (const bool ipv6 : {false, true}) {
    const char* family = ipv6 ? "6" : "4";
    const uint32_t type = ipv6 ? kTypeIpv6 : kTypeIpv4;
    const uint32_t length = ipv6 ? 16 : 4;
    // Source and destination in the IPv4 and IPv6 headers.
    const Field destination{Field::Kind::kNetwork, ipv6 ? 24u : 16u, length,
                            type};
    const Field source{Field::Kind::kNetwork, ipv6 ? 8u : 12u, length, type};
    Match floating{absl::StrCat("floating", family), ipv6, {destination}, {}};
    for (const Address& address : rules.floating) {
      if (address.is_v4() == ipv6) continue;
      floating.keys.insert({address.wire().begin(), address.wire().end()});
    }
    Match host{absl::StrCat("host", family), ipv6, {destination}, {}, true};
    for (const Address& address : rules.host) {
      if (address.is_v4() == ipv6) continue;
      host.keys.insert({address.wire().begin(), address.wire().end()});
    }
    Match port{absl::StrCat("servers", family),
               ipv6,
               {source, kProtocol, kSourcePort},
               {}};
    Match any{absl::StrCat("servers_any_port", family),
              ipv6,
              {source, kProtocol},
              {}};
    for (const GuardRules::Server& server : rules.servers) {
      if (server.endpoint.address.is_v4() == ipv6) continue;
      (server.endpoint.port == 0 ? any : port).keys.insert(ServerKey(server));
    }
    // In this order.
    for (Match* match : {&floating, &host, &port, &any}) {
      if (!match->keys.empty()) matches.push_back(std::move(*match));
    }
  }
  return matches;
}

void AddSet(NftBatch& batch, const std::string& table, const Match& match,
            uint32_t id) {
  uint32_t type = 0;
  uint32_t length = 0;
  for (const Field& field : match.fields) {
    type = type << 6 | field.type;
    length += NLMSG_ALIGN(field.length);
  }
  batch.Message(NFT_MSG_NEWSET, NLM_F_CREATE)
      .String(NFTA_SET_TABLE, table)
      .String(NFTA_SET_NAME, match.set)
      .Value(NFTA_SET_FLAGS, htonl(0))
      .Value(NFTA_SET_KEY_TYPE, htonl(type))
      .Value(NFTA_SET_KEY_LEN, htonl(length))
      .Value(NFTA_SET_ID, htonl(id));
  auto key = match.keys.begin();
  while (key != match.keys.end()) {
    NetlinkBuilder& message = batch.Message(NFT_MSG_NEWSETELEM, NLM_F_CREATE)
                                  .String(NFTA_SET_ELEM_LIST_TABLE, table)
                                  .String(NFTA_SET_ELEM_LIST_SET, match.set)
                                  .Value(NFTA_SET_ELEM_LIST_SET_ID, htonl(id))
                                  .Nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t i = 0; i < kElementsMax && key != match.keys.end();
         ++i, ++key) {
      message.Nest(NFTA_LIST_ELEM)
          .Nest(NFTA_SET_ELEM_KEY)
          .Bytes(NFTA_DATA_VALUE, *key)
          .End()
          .End();
    }
    message.End();
  }
}

void AddRule(NftBatch& batch, const std::string& table, const Match& match,
             uint32_t id) {
  NftRule rule(batch, table, kChain);
  rule.LoadMeta(NFT_META_PROTOCOL, NFT_REG32_00);
  uint8_t protocol[2];
  StoreBig16(protocol, match.ipv6 ? ETH_P_IPV6 : ETH_P_IP);
  rule.RequireEqual(NFT_REG32_00, protocol);
  uint32_t into = NFT_REG32_00;
  for (const Field& field : match.fields) {
    switch (field.kind) {
      case Field::Kind::kNetwork:
        rule.LoadPayload(NFT_PAYLOAD_NETWORK_HEADER, field.offset, field.length,
                         into);
        break;
      case Field::Kind::kTransport:
        rule.LoadPayload(NFT_PAYLOAD_TRANSPORT_HEADER, field.offset,
                         field.length, into);
        break;
      case Field::Kind::kProtocol:
        rule.LoadMeta(NFT_META_L4PROTO, into);
        break;
    }
    into += NLMSG_ALIGN(field.length) / 4;
  }
  rule.RequireIn(NFT_REG32_00, match.set, id);
  rule.Count();
  rule.Decide(match.pass ? NF_ACCEPT : NF_DROP);
}

}  // namespace

std::string GuardTableName(absl::string_view interface) {
  return absl::StrCat("ballast_guard_", interface);
}

NftBatch::Finished InstallGuardBatch(absl::string_view interface,
                                     const GuardRules& rules) {
  const std::string table = GuardTableName(interface);
  NftBatch batch(NFPROTO_NETDEV);
  // Made so that it can be deleted, whether or not it was there before.
  batch.AddTable(table, 0);
  batch.DeleteTable(table, 0);
  batch.AddTable(table, 0);
  const std::vector<Match> matches = Matches(rules);
  NetlinkBuilder& chain =
      batch.Message(NFT_MSG_NEWCHAIN, NLM_F_CREATE)
          .String(NFTA_CHAIN_TABLE, table)
          .String(NFTA_CHAIN_NAME, kChain)
          .Nest(NFTA_CHAIN_HOOK)
          .Value(NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS))
          .Value(NFTA_HOOK_PRIORITY, htonl(static_cast<uint32_t>(kPriority)))
          .String(NFTA_HOOK_DEV, interface)
          .End();
  chain.String(NFTA_CHAIN_TYPE, "filter")
      .Value(NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
  uint32_t id = 0;
  for (const Match& match : matches) {
    AddSet(batch, table, match, ++id);
    AddRule(batch, table, match, id);
  }
  // An acknowledged message of no further effect ends the transaction, so that
  // the answer comes whatever the rules were.
  batch.AddTable(table, NLM_F_ACK);
  batch.MarkAnswered();
  return std::move(batch).Finish();
}

NftBatch::Finished RemoveGuardBatch(absl::string_view interface) {
  const std::string table = GuardTableName(interface);
  NftBatch batch(NFPROTO_NETDEV);
  batch.AddTable(table, 0);
  batch.DeleteTable(table, NLM_F_ACK);
  batch.MarkAnswered();
  return std::move(batch).Finish();
}

}  // namespace ballast

#include "io/nft_batch.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace ballast {
namespace {

nfgenmsg Header(uint8_t family, uint16_t resource) {
  nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  header.res_id = htons(resource);
  return header;
}

}  // namespace

NftBatch::NftBatch(uint8_t family)
    : family_(family), builder_(NFNL_MSG_BATCH_BEGIN, 0) {
  builder_.Struct(Header(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

NetlinkBuilder& NftBatch::Message(uint8_t type, uint16_t flags) {
  builder_.Begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
                 ++sequence_);
  return builder_.Struct(Header(family_, 0));
}

void NftBatch::AddTable(absl::string_view table, uint16_t flags,
                        uint32_t table_flags) {
  Message(NFT_MSG_NEWTABLE, NLM_F_CREATE | flags)
      .String(NFTA_TABLE_NAME, table)
      .Value(NFTA_TABLE_FLAGS, htonl(table_flags));
}

void NftBatch::DeleteTable(absl::string_view table, uint16_t flags) {
  Message(NFT_MSG_DELTABLE, flags).String(NFTA_TABLE_NAME, table);
}

NftBatch::Finished NftBatch::Finish() && {
  builder_.Begin(NFNL_MSG_BATCH_END, 0, ++sequence_);
  builder_.Struct(Header(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES));
  return {{builder_.bytes().begin(), builder_.bytes().end()}, answered_};
}

NftRule::NftRule(NftBatch& batch, absl::string_view table,
                 absl::string_view chain)
    : message_(batch.Message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND)
                   .String(NFTA_RULE_TABLE, table)
                   .String(NFTA_RULE_CHAIN, chain)
                   .Nest(NFTA_RULE_EXPRESSIONS)) {}

void NftRule::Begin(absl::string_view name) {
  message_.Nest(NFTA_LIST_ELEM).String(NFTA_EXPR_NAME, name);
  message_.Nest(NFTA_EXPR_DATA);
}

void NftRule::LoadMeta(uint32_t key, uint32_t into) {
  Begin("meta");
  message_.Value(NFTA_META_DREG, htonl(into)).Value(NFTA_META_KEY, htonl(key));
  End();
}

void NftRule::LoadPayload(uint32_t base, uint32_t offset, uint32_t length,
                          uint32_t into) {
  Begin("payload");
  message_.Value(NFTA_PAYLOAD_DREG, htonl(into))
      .Value(NFTA_PAYLOAD_BASE, htonl(base))
      .Value(NFTA_PAYLOAD_OFFSET, htonl(offset))
      .Value(NFTA_PAYLOAD_LEN, htonl(length));
  End();
}

void NftRule::LoadSocket(uint32_t key, uint32_t into) {
  Begin("socket");
  message_.Value(NFTA_SOCKET_KEY, htonl(key))
      .Value(NFTA_SOCKET_DREG, htonl(into));
  End();
}

void NftRule::RequireEqual(uint32_t from, std::span<const uint8_t> bytes) {
  Begin("cmp");
  message_.Value(NFTA_CMP_SREG, htonl(from))
      .Value(NFTA_CMP_OP, htonl(NFT_CMP_EQ))
      .Nest(NFTA_CMP_DATA)
      .Bytes(NFTA_DATA_VALUE, bytes)
      .End();
  End();
}

void NftRule::RequireIn(uint32_t from, const std::string& set, uint32_t id) {
  Begin("lookup");
  message_.Value(NFTA_LOOKUP_SREG, htonl(from))
      .String(NFTA_LOOKUP_SET, set)
      .Value(NFTA_LOOKUP_SET_ID, htonl(id));
  End();
}

void NftRule::SetMark(uint32_t mark) {
  Begin("immediate");
  message_.Value(NFTA_IMMEDIATE_DREG, htonl(NFT_REG32_00))
      .Nest(NFTA_IMMEDIATE_DATA)
      .Value(NFTA_DATA_VALUE, mark)  // As the machine has numbers.
      .End();
  End();
  Begin("meta");
  message_.Value(NFTA_META_SREG, htonl(NFT_REG32_00))
      .Value(NFTA_META_KEY, htonl(NFT_META_MARK));
  End();
}

void NftRule::Count() {
  Begin("counter");
  End();
}

void NftRule::Decide(uint32_t verdict) {
  Begin("immediate");
  message_.Value(NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT))
      .Nest(NFTA_IMMEDIATE_DATA)
      .Nest(NFTA_DATA_VERDICT)
      .Value(NFTA_VERDICT_CODE, htonl(verdict))
      .End()
      .End();
  End();
}

}  // namespace ballast

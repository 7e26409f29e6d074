// nf_tables transactions as netlink bytes: messages between a begin and an end
// mark, of which all take effect or none. Pure.
//
// Spoken to the kernel directly because the running system needs no `nft`
// program then. Every attribute of nf_tables is big-endian.
// Source  Linux include/uapi/linux/netfilter/nf_tables.h; `nft list table`
//         reads the result back in the tests.
#ifndef IO_NFT_BATCH_H_
#define IO_NFT_BATCH_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/netlink_wire.h"

namespace ballast {

class NftBatch {
 public:
  struct Finished {
    std::vector<uint8_t> bytes;
    uint32_t last_sequence = 0;  // The message that asks for an answer.
  };

  // `family`: NFPROTO_NETDEV, NFPROTO_INET, ...
  explicit NftBatch(uint8_t family);
  NetlinkBuilder& Message(uint8_t type, uint16_t flags);
  // The message made last asks for the answer: it must carry NLM_F_ACK.
  void MarkAnswered() { answered_ = sequence_; }
  // `table_flags`: NFT_TABLE_F_OWNER and so on.
  void AddTable(absl::string_view table, uint16_t flags,
                uint32_t table_flags = 0);
  void DeleteTable(absl::string_view table, uint16_t flags);
  Finished Finish() &&;

 private:
  const uint8_t family_;
  NetlinkBuilder builder_;
  uint32_t sequence_ = 0;
  uint32_t answered_ = 0;
};

// The expressions of a rule, one after another: each a name and its attributes.
// Registers are those of 4 bytes, NFT_REG32_00 and so on.
class NftRule {
 public:
  // Appends to a table's chain; the message ends with this object.
  NftRule(NftBatch& batch, absl::string_view table, absl::string_view chain);
  ~NftRule() { message_.End(); }
  NftRule(const NftRule&) = delete;
  NftRule& operator=(const NftRule&) = delete;

  void LoadMeta(uint32_t key, uint32_t into);
  void LoadPayload(uint32_t base, uint32_t offset, uint32_t length,
                   uint32_t into);
  // Of the socket a packet belongs to; one without a socket matches nothing.
  void LoadSocket(uint32_t key, uint32_t into);
  // The bytes as they lie in the register.
  void RequireEqual(uint32_t from, std::span<const uint8_t> bytes);
  void RequireIn(uint32_t from, const std::string& set, uint32_t id);
  void SetMark(uint32_t mark);
  void Count();
  // NF_ACCEPT or NF_DROP.
  void Decide(uint32_t verdict);

 private:
  void Begin(absl::string_view name);
  void End() { message_.End().End(); }

  NetlinkBuilder& message_;
};

}  // namespace ballast

#endif  // IO_NFT_BATCH_H_

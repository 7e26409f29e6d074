// The messages around a transfer of a whole table; layout in replicator.h.
//
// Errors   Decode*() of anything but exactly such a message: nullopt.
// Threads  none of their own.
#ifndef HA_TRANSFER_WIRE_H_
#define HA_TRANSFER_WIRE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ha/state_table.h"

namespace ballast::ha {

enum class StreamMessage : uint8_t {
  kRequest = 32,
  kBegin = 33,
  kChanges = 34,
  kRecords = 35,
  kEnd = 36,
  kDone = 37,
};

struct TransferRequest {
  uint64_t id = 0;
};

struct TransferBegin {
  uint64_t id = 0;
  bool merge = false;
  uint64_t records_about = 0;
  uint64_t position = 0;  // The changes in the transfer follow it.

  friend bool operator==(const TransferBegin&, const TransferBegin&) = default;
};

struct TransferEnd {
  uint64_t id = 0;
  uint64_t position = 0;
  TableSummary sum;

  friend bool operator==(const TransferEnd&, const TransferEnd&) = default;
};

struct TransferDone {
  uint64_t id = 0;
  bool equal = false;
  TableSummary sum;

  friend bool operator==(const TransferDone&, const TransferDone&) = default;
};

// Whole messages.
std::vector<uint8_t> Encode(const TransferRequest& message);
std::vector<uint8_t> Encode(const TransferBegin& message);
std::vector<uint8_t> Encode(const TransferEnd& message);
std::vector<uint8_t> Encode(const TransferDone& message);

// What follows the type.
std::optional<TransferRequest> DecodeRequest(std::span<const uint8_t> body);
std::optional<TransferBegin> DecodeBegin(std::span<const uint8_t> body);
std::optional<TransferEnd> DecodeEnd(std::span<const uint8_t> body);
std::optional<TransferDone> DecodeDone(std::span<const uint8_t> body);

}  // namespace ballast::ha

#endif  // HA_TRANSFER_WIRE_H_

// Flows in a file, so that a lone unit's restart loses none: written whole or
// not at all, read back once.
//
// The file: "BALLAST1", the number of records and the calendar time of writing
// (both 64-bit big-endian), the records (lb/l4/flow.h), and a SipHash-2-4 of it
// all under a fixed key, against truncation and decay, not against attackers:
// the folder is root's.
//
// Errors   kNotFound: no file. kDataLoss: not a whole file of ours.
// Threads  any, one per path at a time.
#ifndef LB_RUN_FLOW_FILE_H_
#define LB_RUN_FLOW_FILE_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lb/l4/flow.h"

namespace ballast::run {

absl::Status WriteFlowFile(const std::string& path, absl::Time now,
                           std::span<const l4::FlowRecord> records);

// The records, each idle time grown by what has passed since.
absl::StatusOr<std::vector<l4::FlowRecord>> ReadFlowFile(
    const std::string& path, absl::Time now);

// Bytes of the file, and back. Exposed for fuzzing.
std::vector<uint8_t> EncodeFlowFile(absl::Time now,
                                    std::span<const l4::FlowRecord> records);
absl::StatusOr<std::vector<l4::FlowRecord>> DecodeFlowFile(
    std::span<const uint8_t> bytes, absl::Time now);

}  // namespace ballast::run

#endif  // LB_RUN_FLOW_FILE_H_

// Unit: what outlives its process, in state_dir: the source key it made, and
// the flows at its end.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "lb/run/flow_file.h"
#include "lb/run/unit.h"

namespace ballast::run {
namespace {

std::string KeyPath(const config::Model& model) {
  return absl::StrCat(model.state_dir, "/hash_key");
}
// Of requests under way when the unit ends.
constexpr absl::Duration kProxyPatience = absl::Seconds(5);

std::string FlowPath(const config::Model& model) {
  return absl::StrCat(model.state_dir, "/flows");
}

}  // namespace

absl::Status Unit::ReadKeys() {
  FillRandom(table_key_);
  if (model_->hash_key.has_value()) {
    source_key_ = *model_->hash_key;
    return absl::OkStatus();
  }
  FillRandom(source_key_);
  if (model_->state_dir.empty()) return absl::OkStatus();
  BALLAST_RETURN_IF_ERROR(MakeFolder(model_->state_dir));
  const auto bytes = ReadFile(KeyPath(*model_), 4096);
  if (absl::IsNotFound(bytes.status())) {
    return KeepSourceKey();
  }
  BALLAST_RETURN_IF_ERROR(bytes.status());
  if (bytes->size() != source_key_.size()) {
    return absl::DataLossError(
        absl::StrCat(KeyPath(*model_), ": ", bytes->size(), " bytes, must be ",
                     source_key_.size(), "; remove it to have a new key made"));
  }
  std::copy(bytes->begin(), bytes->end(), source_key_.begin());
  return absl::OkStatus();
}

absl::Status Unit::KeepSourceKey() const {
  if (model_->state_dir.empty()) return absl::OkStatus();
  return WriteFileAtomically(KeyPath(*model_), source_key_);
}

void Unit::RestoreFlows(const PacketSteering& steering) {
  if (model_->state_dir.empty()) return;
  const std::string path = FlowPath(*model_);
  const auto records = ReadFlowFile(path, absl::Now());
  if (absl::IsNotFound(records.status())) return;
  if (!records.ok()) {
    log_({LogLevel::kWarning, "flows_lost",
          absl::StrCat("flows of the last run: ", records.status().message())});
  } else {
    size_t restored = 0;
    const Instant now = MonotonicNow();
    for (const l4::FlowRecord& record : *records) {
      const uint32_t lane =
          lanes_.size() == 1
              ? 0
              : steering.ThreadOf(record.client_side.source.address);
      restored += lanes_[lane]->director().Import(now, record);
    }
    log_({LogLevel::kInfo, "flows_restored",
          absl::StrCat("flows of the last run: ", restored, " of ",
                       records->size(), " restored")});
  }
  // Read back once: a later crash must not bring back flows this old.
  if (const absl::Status status = RemoveFile(path); !status.ok()) {
    log_(
        {LogLevel::kWarning, "state_dir_error", std::string(status.message())});
  }
}

// With a partner the addresses have gone, and no answer would arrive.
void Unit::LeaveProxies() {
  if (proxies_ == nullptr || partner_ != nullptr) return;
  const Instant end = MonotonicNow() + kProxyPatience;
  proxies_->Leave();
  while (!proxies_->left() && MonotonicNow() < end) {
    reactor_->RunOnce(MonotonicNow() + absl::Milliseconds(10));
  }
  // The rest is cut while clients can still be told.
  proxies_.reset();
  const Instant told = MonotonicNow() + absl::Milliseconds(20);
  while (MonotonicNow() < told) reactor_->RunOnce(told);
}

absl::Status Unit::Shutdown() {
  LeaveProxies();
  LeavePair();
  std::vector<l4::FlowRecord> all;
  for (const auto& lane : lanes_) {
    const bool done = lane->Call([&](Instant now, l4::Director& director) {
      if (!model_->state_dir.empty()) {
        l4::Director::ExportCursor cursor;
        std::array<l4::FlowRecord, 1024> records;
        while (!cursor.done) {
          const size_t count = director.Export(now, cursor, records);
          all.insert(all.end(), records.begin(), records.begin() + count);
        }
      }
      director.SetActive(now, false);
    });
    if (!done) {
      log_({LogLevel::kError, "packet_thread_stuck",
            "a packet thread takes no orders: its flows are lost"});
    }
  }
  network_->SetFloating(*model_, false);
  if (model_->state_dir.empty()) return absl::OkStatus();
  BALLAST_RETURN_IF_ERROR(WriteFlowFile(FlowPath(*model_), absl::Now(), all));
  log_({LogLevel::kInfo, "flows_written",
        absl::StrCat(all.size(), " flows written to ", FlowPath(*model_))});
  return absl::OkStatus();
}

}  // namespace ballast::run

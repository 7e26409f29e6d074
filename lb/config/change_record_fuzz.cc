// Lines of the audit and kept configurations from arbitrary bytes: what is read
// is written, and then read the same.
#include <cstddef>
#include <cstdint>

#include "io/base/check.h"
#include "lb/config/change_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto check = [](const ballast::config::ChangeRecord& record) {
    const std::string line = ballast::config::FormatRecord(record);
    BALLAST_CHECK(line.size() <= ballast::config::kRecordLineMax);
    const auto again = ballast::config::ParseRecord(line);
    BALLAST_CHECK(again.ok());
    BALLAST_CHECK(ballast::config::FormatRecord(*again) == line);
  };
  if (const auto record = ballast::config::ParseRecord(bytes); record.ok()) {
    check(*record);
  }
  if (const auto kept = ballast::config::ParseKept(bytes); kept.ok()) {
    check(kept->record);
    BALLAST_CHECK(kept->text.size() < bytes.size());
  }
  return 0;
}

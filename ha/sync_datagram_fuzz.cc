// Property: whatever decodes can be packed again, and says the same then.
#include <vector>

#include "ha/sync_datagram.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  const std::span<const uint8_t> bytes(data, size);
  SyncContent content;
  if (ReadSections(bytes, 0, content) && size < 20000) {
    SyncPacker packer(0, 60000, 0);
    for (const SyncRecord& record : content.records) {
      BALLAST_CHECK(packer.Add(record));
    }
    for (const L7Record& record : content.l7) {
      BALLAST_CHECK(packer.Add(record));
    }
    if (content.sum) BALLAST_CHECK(packer.AddSum(*content.sum));
    if (content.ask_anew) BALLAST_CHECK(packer.AddAskAnew());
    SyncContent again;
    BALLAST_CHECK(ReadSections(packer.Take(), 0, again));
    BALLAST_CHECK(again.records.size() == content.records.size());
    BALLAST_CHECK(again.l7 == content.l7);
    BALLAST_CHECK(again.sum == content.sum);
    BALLAST_CHECK(again.ask_anew == content.ask_anew);
    for (size_t i = 0; i < again.records.size(); ++i) {
      // Flags that IPVS does not send are not written.
      again.records[i].flags = content.records[i].flags;
      BALLAST_CHECK(again.records[i] == content.records[i]);
    }
  }
  if (const auto questions = ReadQuestions(bytes)) {
    std::vector<uint8_t> out;
    WriteQuestions(*questions, out);
    const auto again = ReadQuestions(std::span<const uint8_t>(out).subspan(8));
    BALLAST_CHECK(again.has_value());
    BALLAST_CHECK(again->repair == questions->repair);
    BALLAST_CHECK(again->forgotten == questions->forgotten);
  }
  return 0;
}

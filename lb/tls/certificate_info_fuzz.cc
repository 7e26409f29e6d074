// Any text as a certificate with its key: what is taken apart can be taken
// apart again to the same, the chain has no key in it, and what it says of
// itself is ASCII.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/tls/certificate_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::tls;  // NOLINT
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto split = SplitPem(text); split.ok()) {
    BALLAST_CHECK(!absl::StrContains(split->chain, "PRIVATE KEY-----"));
    const auto again = SplitPem(absl::StrCat(split->key, split->chain));
    BALLAST_CHECK(again.ok() && *again == *split);
    (void)CheckCertificate(*split);
  }
  if (const auto info = DescribeCertificate(text); info.ok()) {
    BALLAST_CHECK(info->sha256.size() == 64);
    for (const std::string& name : info->names) {
      BALLAST_CHECK(std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isprint(static_cast<unsigned char>(c));
      }));
    }
  }
  return 0;
}

#include "lb/config/validate_certificates.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast::config {
namespace {

constexpr int kCertificatesMax = 256;
// So that a partner can be given them: it takes 4 MiB.
constexpr size_t kBytesMax = size_t{2} << 20;

}  // namespace

void ValidateCertificates(const proto::Config& from, ServiceDefaults& defaults,
                          Problems& problems) {
  if (from.certificates_size() > kCertificatesMax) {
    problems.Error("certificates", absl::StrCat(from.certificates_size(),
                                                " of them, must be at most ",
                                                kCertificatesMax));
    return;
  }
  size_t bytes = 0;
  for (int i = 0; i < from.certificates_size(); ++i) {
    const proto::NamedCertificate& one = from.certificates(i);
    const std::string path = absl::StrCat("certificates[", i, "]");
    if (one.name().empty()) {
      problems.Error(absl::StrCat(path, ".name"), "is required");
    }
    ValidateName(absl::StrCat(path, ".name"), one.name(), problems);
    for (const auto& [field, text] :
         {std::pair<const char*, const std::string&>{"chain", one.chain()},
          {"key", one.key()}}) {
      bytes += text.size();
      if (text.empty()) {
        problems.Error(absl::StrCat(path, ".", field), "is required");
      }
    }
    if (!defaults.certificates.emplace(one.name(), &one).second) {
      problems.Error(
          absl::StrCat(path, ".name"),
          absl::StrCat(Quoted(one.name()), ", is already the name of another"));
    }
  }
  if (bytes > kBytesMax) {
    problems.Error("certificates",
                   absl::StrCat(bytes, " bytes, must be at most ", kBytesMax));
  }
}

}  // namespace ballast::config

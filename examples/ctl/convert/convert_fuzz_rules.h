// What holds of every converter, whatever the text: what comes out is read by
// ballastd and passes validation, and what is lost is of a line that is there.
#ifndef EXAMPLES_CTL_CONVERT_CONVERT_FUZZ_RULES_H_
#define EXAMPLES_CTL_CONVERT_CONVERT_FUZZ_RULES_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"
#include "io/base/check.h"
#include "lb/config/format.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::ctl {

inline void CheckConverter(Conversion (*convert)(absl::string_view,
                                                 const ConvertOptions&),
                           const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  int lines = 1;
  for (const char c : text) lines += c == '\n';
  const Conversion made =
      convert(text, {.interface = "lan0", .address = "192.0.2.99"});
  if (made.config.virtual_services_size() > 0 && size % 8 == 0) {
    const auto again = config::ParseConfig(config::FormatConfig(made.config));
    BALLAST_CHECK(again.ok() && config::Validate(*again, 1).errors.empty());
  }
  for (const Lost& lost : made.lost) {
    BALLAST_CHECK(lost.line >= 0 && lost.line <= lines &&
                  lost.last_line >= lost.line && lost.last_line <= lines &&
                  !lost.why.empty());
  }
}

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_CONVERT_FUZZ_RULES_H_

// Whatever a server says, a dialogue ends the same however it is cut.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/health/binary_dialogue.h"
#include "lb/health/controller_report.h"
#include "lb/health/dialogue_testing.h"
#include "lb/health/dns_probe.h"
#include "lb/health/fetch_dialogue.h"
#include "lb/health/greeting.h"
#include "lb/health/http_dialogue.h"
#include "lb/health/ldap_dialogue.h"
#include "lb/health/load_weights.h"
#include "lb/health/rdp_dialogue.h"

namespace ballast::health {
namespace {

void Fuzz(absl::string_view input) {
  if (input.empty()) return;
  static const auto check =
      *HttpCheck::Create({.method = HttpMethod::kGet, .pattern = "o+k"});
  const uint8_t choice = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  const auto make = [&]() -> std::unique_ptr<Dialogue> {
    switch (choice % 11) {
      case 6:
        return std::make_unique<BinaryDialogue>("", "ok", choice / 11);
      case 7:
        return std::make_unique<LdapDialogue>();
      case 8:
        return std::make_unique<RdpDialogue>();
      case 9:
        return std::make_unique<HttpDialogue>(check);
      case 10:
        return std::make_unique<FetchDialogue>("/", "h", choice,
                                               std::make_shared<std::string>());
      default:
        return std::make_unique<GreetingDialogue>(
            static_cast<Greeter>(choice % 11));
    }
  };
  const auto whole = Hear(make, input, input.size() + 1, true);
  BALLAST_CHECK(whole.state != Dialogue::State::kGoesOn);
  const auto pieces = Hear(make, input, 1, true);
  BALLAST_CHECK(whole.state == pieces.state);
  const auto load = ParseLoad(input);
  BALLAST_CHECK(!load || (*load >= 0 && *load <= kLoadDisabled));
  const auto report = ParseControllerReport(input);
  for (const auto& [address, value] : report.value_or(ControllerLoads())) {
    BALLAST_CHECK(value >= 0);
  }
  (void)IsDnsAnswer(
      choice, {reinterpret_cast<const uint8_t*>(input.data()), input.size()});
}

}  // namespace
}  // namespace ballast::health

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::health::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Questions  What does the key of a request cost under each persistence mode,
//            its digest included? What do an active cookie and a look at one
//            cost?
// Method     a browser's request of 14 fields and 6 cookies, the wanted one
//            last; the field lookup is a plain walk that compares names. Inputs
//            made before the loop, results consumed.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/siphash.h"
#include "persist/active_cookie.h"
#include "persist/extract.h"
#include "persist/key.h"
#include "persist/mode.h"
#include "persist/request_view.h"
#include "persist/settings.h"

namespace ballast::persist {
namespace {

constexpr std::array<SipKey, 2> kSecrets = {SipKey{1, 2}, SipKey{3, 4}};

std::vector<FieldList::Field> Fields(const ActiveCookies& cookies) {
  const std::string own = cookies.Make(Address::V4(0xc0000201), 0, 1);
  return {{"Host", "www.example.com"},
          {"User-Agent",
           "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 "
           "Firefox/115.0"},
          {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9"},
          {"Accept-Language", "en-US,en;q=0.5"},
          {"Accept-Encoding", "gzip, deflate, br"},
          {"DNT", "1"},
          {"Connection", "keep-alive"},
          {"Referer", "https://www.example.com/shop/index.html"},
          {"Upgrade-Insecure-Requests", "1"},
          {"Sec-Fetch-Dest", "document"},
          {"Sec-Fetch-Mode", "navigate"},
          {"Sec-Fetch-Site", "same-origin"},
          {"X-User", "anna"},
          {"Cookie",
           absl::StrCat("_ga=GA1.2.1234567890.1700000000; "
                        "_gid=GA1.2.987654321.1700000001; lang=en-US; "
                        "consent=1-1-0-1; LMPERSIST=",
                        own, "; JSESSIONID=0123456789abcdef0123456789abcdef")}};
}

void BM_Extract(benchmark::State& state) {
  const auto mode = static_cast<Mode>(state.range(0));
  const Settings settings{.mode = mode,
                          .name = KindOf(mode) == Mode::kServerCookie
                                      ? "JSESSIONID"
                                  : mode == Mode::kSelectedHeader ? "X-User"
                                                                  : "",
                          .query_item = "user"};
  const ActiveCookies cookies(7, kSecrets);
  const FieldList fields(Fields(cookies));
  const RequestView request{
      .method = "GET",
      .target = "/shop/item?id=4711&lang=en&user=anna%20b",
      .host = "www.example.com",
      .fields = fields,
      .client = Address::V4(0xc0000201)};
  std::string scratch;
  for (auto _ : state) {
    const Extraction found = ExtractKey(settings, &cookies, request, scratch);
    benchmark::DoNotOptimize(DigestOf(kSecrets[0], found.key));
  }
  state.SetLabel(std::string(ModeName(mode)));
}
BENCHMARK(BM_Extract)->ArgName("mode")->DenseRange(1, 13);

void BM_ExtractSip(benchmark::State& state) {
  const std::string message =
      "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
      "Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds\r\n"
      "Max-Forwards: 70\r\n"
      "To: Bob <sip:bob@biloxi.example.com>\r\n"
      "From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\r\n"
      "Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
      "CSeq: 314159 INVITE\r\n\r\n";
  const Settings settings{.mode = Mode::kUdpSip};
  const std::span<const uint8_t> datagram(
      reinterpret_cast<const uint8_t*>(message.data()), message.size());
  std::string scratch;
  for (auto _ : state) {
    const Extraction found =
        ExtractKey(settings, datagram, Address::V4(1), scratch);
    benchmark::DoNotOptimize(DigestOf(kSecrets[0], found.key));
  }
}
BENCHMARK(BM_ExtractSip);

void BM_MakeActiveCookie(benchmark::State& state) {
  const ActiveCookies cookies(7, kSecrets);
  uint64_t unique = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cookies.Make(Address::V4(1), 0, unique++));
  }
}
BENCHMARK(BM_MakeActiveCookie);

}  // namespace
}  // namespace ballast::persist

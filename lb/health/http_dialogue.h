// The HTTP and HTTPS checks: one request, and what makes its answer good.
//
//   H1  200 to 299 is good. So are the configured codes; without any 301, 302
//       and 401 (a server that redirects or wants a password is at work)
//   H2  a pattern must be found in the body of a 2xx answer, if the method is
//       GET or POST
//   H3  HEAD, and HTTP/1.0 without a Host field, unless configured
//
// Cost     without a pattern the head decides: the body is not waited for. With
//          one its first kKeptMax bytes are searched, in linear time (RE2).
// Source   LoadMaster behaviour §5.3; H1's list: the vendor's manual, HTTP or
//          HTTPS Protocol Health Checking.
#ifndef LB_HEALTH_HTTP_DIALOGUE_H_
#define LB_HEALTH_HTTP_DIALOGUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/health/response_dialogue.h"

namespace re2 {
class RE2;
}

namespace ballast::health {

enum class HttpMethod : uint8_t { kHead, kGet, kPost, kOptions };

// A check as configured, made ready once for all its servers and probes.
class HttpCheck {
 public:
  struct Options {
    HttpMethod method = HttpMethod::kHead;
    std::string url = "/";
    bool http11 = false;
    std::string host;  // Of HTTP/1.1: required there.
    // Field names and values that the reader of the configuration has checked.
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;        // POST's.
    std::vector<int> codes;  // H1; empty: the default.
    std::string pattern;     // RE2 syntax; empty: none.
  };

  //   kInvalidArgument  a pattern that is no regular expression; says why
  static absl::StatusOr<std::shared_ptr<const HttpCheck>> Create(
      const Options& options);
  ~HttpCheck();

  const std::string& request() const { return request_; }
  HttpMethod method() const { return options_.method; }
  bool GoodCode(int code) const;
  bool wants_body() const;
  bool Matches(absl::string_view body) const;

 private:
  explicit HttpCheck(const Options& options);

  const Options options_;
  std::string request_;
  std::unique_ptr<re2::RE2> pattern_;
};

class HttpDialogue final : public ResponseDialogue {
 public:
  explicit HttpDialogue(std::shared_ptr<const HttpCheck> check);

  Step OnOpen() override { return Say(check_->request()); }

 private:
  Step OnStatus(int status) override;
  Step OnBody(absl::string_view bytes) override;
  Step OnWhole() override;

  const std::shared_ptr<const HttpCheck> check_;
  std::string body_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_HTTP_DIALOGUE_H_

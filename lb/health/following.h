// Which servers are up, for those that follow them: what one service's checks
// find, another's take over.
//
// Errors   none: a server that nobody has told of counts as up.
// Cost     O(log servers) a call, and a call for each that follows.
// Threads  one.
// Source   LoadMaster, real server parameters: follow.
#ifndef LB_HEALTH_FOLLOWING_H_
#define LB_HEALTH_FOLLOWING_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "lb/config/server_pool.h"

namespace ballast::health {

class Following {
 public:
  using Server = config::ServerIdentity;
  // Up() of what is followed has changed. Must not call Follow() or Unfollow().
  using OnChange = std::function<void()>;

  bool Up(const Server& server) const {
    const auto found = up_.find(server);
    return found == up_.end() || found->second;
  }
  void Set(const Server& server, bool up) {
    const bool was = Up(server);
    up_[server] = up;
    if (up != was) Tell(server);
  }
  void Forget(const Server& server) {
    const bool was = Up(server);
    up_.erase(server);
    if (!was) Tell(server);
  }

  // Returns what Unfollow() takes.
  using Handle = std::pair<Server, uint64_t>;
  Handle Follow(const Server& server, OnChange on_change) {
    const Handle handle(server, next_++);
    followers_.emplace(handle, std::move(on_change));
    return handle;
  }
  void Unfollow(const Handle& handle) { followers_.erase(handle); }

 private:
  void Tell(const Server& server) {
    for (auto at = followers_.lower_bound({server, 0});
         at != followers_.end() && at->first.first == server; ++at) {
      at->second();
    }
  }

  std::map<Server, bool> up_;
  std::map<Handle, OnChange> followers_;
  uint64_t next_ = 1;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_FOLLOWING_H_

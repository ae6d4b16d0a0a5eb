/* An echo server on Boost.Asio: one io_context, which so many threads run. usage: asio_echo PORT [THREADS] */
#include <boost/asio.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class Connection : public std::enable_shared_from_this<Connection>
{
  public:
    explicit Connection(tcp::socket given) : socket(std::move(given))
    {
    }

    void read()
    {
        socket.async_read_some(asio::buffer(bytes), [self = shared_from_this()](error_code failed, std::size_t got) {
            if (!failed)
                self->write(got);
        });
    }

  private:
    void write(std::size_t count)
    {
        asio::async_write(socket, asio::buffer(bytes, count),
                          [self = shared_from_this()](error_code failed, std::size_t) {
                              if (!failed)
                                  self->read();
                          });
    }

    tcp::socket socket;
    std::array<char, 4096> bytes;
};

static void accept(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](error_code failed, tcp::socket socket) {
        if (!failed) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<Connection>(std::move(socket))->read();
        }
        accept(acceptor);
    });
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s PORT [THREADS]\n", argv[0]);
        return 2;
    }
    int threads = argc > 2 ? std::atoi(argv[2]) : 1;
    asio::io_context context(threads); /* with one it leaves out what only several need */
    tcp::endpoint here(asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1])));
    tcp::acceptor acceptor(context, here.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(here);
    acceptor.listen(4096);
    accept(acceptor);
    std::vector<std::thread> others;
    while (--threads > 0)
        others.emplace_back([&context] { context.run(); });
    context.run();
}

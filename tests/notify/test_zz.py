from tests.notify.test_in_browser import *
from tests.notify.test_in_browser import center, listening
@pytest.mark.parametrize("n", range(30))
async def test_conn(center, n):
    page = await center.open()
    await page.wait_for_function(f"() => {STREAM}?.status === 200", timeout=4000)
